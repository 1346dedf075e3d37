/** Frames of SPDY/3.1 as values (draft-mbelshe-httpbis-spdy-00 §2.6). */

/** Lower-case names; a header may have several values (§2.6.10). */
export type SpdyHeaders = ReadonlyMap<string, readonly string[]>;

export const SPDY_VERSION = 3;

export const controlType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const FLAG_FIN = 0x01;
export const FLAG_UNIDIRECTIONAL = 0x02;

/** Status codes of RST_STREAM (§2.6.3). */
export const rstStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  unsupportedVersion: 4,
  cancel: 5,
  internalError: 6,
  flowControlError: 7,
  streamInUse: 8,
  streamAlreadyClosed: 9,
} as const;

/** Status codes of GOAWAY (§2.6.6). */
export const goawayStatus = { ok: 0, protocolError: 1, internalError: 2 } as const;

/** The settings that we look at (§2.6.4). */
export const settingId = { maxConcurrentStreams: 4, initialWindowSize: 7 } as const;

export interface SpdySetting {
  readonly id: number;
  readonly flags: number;
  readonly value: number;
}

export type SpdyFrame =
  | {
      readonly type: 'syn-stream';
      readonly streamId: number;
      readonly associatedTo: number;
      /** 0 is the highest, 7 the lowest. */
      readonly priority: number;
      readonly fin: boolean;
      readonly unidirectional: boolean;
      readonly headers: SpdyHeaders;
    }
  | { readonly type: 'syn-reply'; readonly streamId: number; readonly fin: boolean; readonly headers: SpdyHeaders }
  | { readonly type: 'rst-stream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'settings'; readonly settings: readonly SpdySetting[] }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly lastGoodStreamId: number; readonly status: number }
  | { readonly type: 'headers'; readonly streamId: number; readonly fin: boolean; readonly headers: SpdyHeaders }
  /** `streamId` 0 is the session's window (SPDY/3.1). */
  | { readonly type: 'window-update'; readonly streamId: number; readonly delta: number }
  /** A piece of a DATA frame, as it arrived; `fin` stands on the last piece of a frame that has the flag. */
  | { readonly type: 'data'; readonly streamId: number; readonly payload: Buffer; readonly fin: boolean };

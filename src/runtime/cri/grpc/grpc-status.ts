import type { ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { CausewayError, type ErrorCode } from '../../../lib/errors.ts';

/** How a call ended: its `grpc-status` and `grpc-message`. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** The codes of gRPC (google.golang.org/grpc/codes) that mean something to a caller; any other is an `InternalError`. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  1: 'Timeout',
  3: 'Invalid',
  4: 'Timeout',
  5: 'NotFound',
  6: 'AlreadyExists',
  8: 'TooManyRequests',
  9: 'Conflict',
  12: 'MethodNotAllowed',
  14: 'ServiceUnavailable',
};

/** Rejects when the stream ends without saying how. `opened` is told when the server took the call. */
export function grpcStatus(stream: ClientHttp2Stream, opened: () => void): Promise<GrpcStatus> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => {
      const http = Number(headers[':status']);
      if (http !== 200) reject(new CausewayError('BadGateway', `no gRPC at the socket: HTTP ${http}`));
      else if (headers['grpc-status'] !== undefined) resolve(statusOf(headers));
      else opened();
    });
    stream.once('trailers', (headers) => resolve(statusOf(headers)));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the connection ended')));
  });
}

export function grpcError({ code, message }: GrpcStatus, path: string): CausewayError | undefined {
  if (code === 0) return undefined;
  return new CausewayError(CODES[code] ?? 'InternalError', message === '' ? `${path}: gRPC code ${code}` : message);
}

function statusOf(headers: IncomingHttpHeaders): GrpcStatus {
  const code = Number(headers['grpc-status'] ?? '2');
  return { code: Number.isInteger(code) ? code : 2, message: unescaped(String(headers['grpc-message'] ?? '')) };
}

/** Percent-encoded UTF-8, where what is not encoded right stays as it is. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

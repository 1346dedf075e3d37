import { Socket } from 'node:net';

/**
 * A connection that is read to its end also when writing to it failed. A runtime that closes while a client still sends, as when a command
 * ends before its input does, has said how it ended: that waits in the kernel, and Node throws it away with the socket.
 */
export class LingeringSocket extends Socket {
  override destroy(error?: Error): this {
    const onlyWriting = (error as NodeJS.ErrnoException | undefined)?.syscall === 'write';
    if (!onlyWriting || this.readableEnded) return super.destroy(error);
    this.once('end', () => super.destroy());
    this.resume();
    return this;
  }
}

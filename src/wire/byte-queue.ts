/** Chunks that arrived and were not yet parsed. Takes and peeks without copying where the bytes lie in one chunk. */
export class ByteQueue {
  #chunks: Buffer[] = [];
  /** Bytes of the first chunk that were taken already. */
  #offset = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** Exactly `length` bytes, which must be there; copied only where they span chunks. */
  take(length: number): Buffer {
    const bytes = this.peek(length);
    this.#drop(length);
    return bytes;
  }

  /** As `take`, and leaves them. */
  peek(length: number): Buffer {
    const first = this.#chunks[0];
    if (first !== undefined && first.length - this.#offset >= length) {
      return first.subarray(this.#offset, this.#offset + length);
    }
    if (length > this.#length) throw new RangeError(`${length} bytes asked, ${this.#length} there`);
    const copy = Buffer.allocUnsafe(length);
    let filled = 0;
    for (let i = 0; filled < length; i++) {
      const chunk = this.#chunks[i]!;
      filled += chunk.copy(copy, filled, i === 0 ? this.#offset : 0, (i === 0 ? this.#offset : 0) + length - filled);
    }
    return copy;
  }

  /** What lies in the first chunk, at most `limit` bytes, never copied; there must be some. */
  takeSome(limit: number): Buffer {
    const first = this.#chunks[0]!;
    const bytes = first.subarray(this.#offset, this.#offset + limit);
    this.#drop(bytes.length);
    return bytes;
  }

  #drop(length: number): void {
    this.#length -= length;
    let left = length;
    while (left > 0) {
      const first = this.#chunks[0]!;
      const there = first.length - this.#offset;
      if (left < there) {
        this.#offset += left;
        return;
      }
      left -= there;
      this.#chunks.shift();
      this.#offset = 0;
    }
  }
}

/**
 * The preset dictionary of SPDY/3's header compression (draft-mbelshe-httpbis-spdy-00 §2.6.10.1): header words, each behind its 32-bit length, and
 * then text without lengths. `dictionary.test.ts` checks it against the Adler-32 that every SPDY/3 peer sends.
 */
const words = [
  'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow',
  'authorization cache-control connection content-base content-encoding content-language content-length content-location',
  'content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match',
  'if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range',
  'referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get',
  'status',
  '200 OK',
  'version HTTP/1.1 url public set-cookie keep-alive origin',
].flatMap((line) => (line === '200 OK' ? [line] : line.split(' ')));

const text = [
  '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505',
  '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden',
  '404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable',
  'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT',
  'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,',
  'publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.',
].join('');

function lengthPrefixed(word: string): Buffer {
  const bytes = Buffer.alloc(4 + word.length);
  bytes.writeUInt32BE(word.length);
  bytes.write(word, 4, 'latin1');
  return bytes;
}

export const headerDictionary: Buffer = Buffer.concat([...words.map(lengthPrefixed), Buffer.from(text, 'latin1')]);

/** Adler-32 of the dictionary, as it stands in the zlib header of the first block (RFC 1950 §2.2, DICTID). */
export const headerDictionaryId = 0xe3_c6_a7_c2;

// The serial frames of shared/Protocol (SerialFrame, SerialDecoder, SerialEnrolment) and Improv's, in the browser.

const encoder = new TextEncoder();
const MAGIC = [0x44, 0x65, 0x50, 0x4e]; // "DePN"
const IMPROV = [0x49, 0x4d, 0x50, 0x52, 0x4f, 0x56]; // "IMPROV"
const VERSION = 1;
const HEADER = 9;
const DATA_MAX = 512;

/** Types of requests; an answer has bit 7 set. */
export const Types = { identity: 0x01, claim: 0x02, restart: 0x04, enrolBegin: 0x06, enrolData: 0x07, enrolCommit: 0x08, error: 0xff };
export const Errors = { noKey: 3, locked: 6 };
export const PIECE_MAX = DATA_MAX - 4;

const TABLE = new Uint32Array(256).map((_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 (IEEE 802.3), unsigned. */
export function crc32(bytes) {
  let c = 0xffffffff;
  for (const b of bytes) c = TABLE[(c ^ b) & 0xff] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

export const u32 = (value) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
export const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** One frame of ours. */
export function frame(type, sequence, data) {
  if (data.length > DATA_MAX) throw new RangeError(`${data.length} bytes of data, at most ${DATA_MAX} fit`);
  const head = [...MAGIC, VERSION, type, sequence, data.length >> 8, data.length & 0xff, ...data];
  return Uint8Array.from([...head, ...u32(crc32(head))]);
}

/** An Improv command that gives Wi-Fi settings, with the line feeds around it. */
export function wifiSettings(ssid, password) {
  const name = encoder.encode(ssid);
  const secret = encoder.encode(password);
  if (name.length < 1 || name.length > 32 || secret.length > 64) throw new RangeError("a network's name has 1 to 32 bytes, its password at most 64");
  const payload = [name.length, ...name, secret.length, ...secret];
  const head = [...IMPROV, VERSION, 3, payload.length + 2, 1, payload.length, ...payload];
  const sum = head.reduce((a, b) => (a + b) & 0xff, 0);
  const bytes = Uint8Array.from([10, ...head, sum, 10]);
  secret.fill(0);
  payload.fill(0);
  return bytes;
}

/** An enrolment: sections in the order of their tags, those that are empty left out. */
export function enrolment({ settings, authority, name, location }) {
  const all = [];
  for (const [tag, text] of [[1, settings], [2, authority], [5, name], [6, location]]) {
    const content = encoder.encode(text ?? "");
    if (content.length > 0) all.push(tag, content.length >> 8, content.length & 0xff, ...content);
  }
  return Uint8Array.from(all);
}

/**
 * Finds frames, ours and Improv's, in a stream that also carries log text and noise. A frame whose check fails is never given out; the search goes on
 * one byte behind its beginning.
 */
export class Decoder {
  #buffer = [];

  /** Adds bytes and returns the frames that are whole now. */
  push(bytes) {
    this.#buffer.push(...bytes);
    const found = [];
    for (let at = 0; ; ) {
      while (at < this.#buffer.length && !this.#mayBegin(at)) at++;
      this.#buffer.splice(0, at);
      at = 0;
      const size = this.#size();
      if (size === 0 || this.#buffer.length < size) return found;
      const taken = this.#take(size);
      if (taken) {
        found.push(taken);
        this.#buffer.splice(0, size);
      } else {
        at = 1;
      }
    }
  }

  #mayBegin(at) {
    const left = this.#buffer.length - at;
    const magic = this.#buffer[at] === MAGIC[0] ? MAGIC : IMPROV;
    for (let i = 0; i < magic.length && i < left; i++) if (this.#buffer[at + i] !== magic[i]) return false;
    if (left > magic.length && this.#buffer[at + magic.length] !== VERSION) return false;
    return magic === IMPROV || left < HEADER || (this.#buffer[at + 7] << 8 | this.#buffer[at + 8]) <= DATA_MAX;
  }

  #size() {
    if (this.#buffer.length < HEADER) return 0;
    return this.#buffer[0] === MAGIC[0] ? HEADER + (this.#buffer[7] << 8 | this.#buffer[8]) + 4 : HEADER + this.#buffer[8] + 1;
  }

  #take(size) {
    const bytes = this.#buffer.slice(0, size);
    if (bytes[0] !== MAGIC[0]) {
      const sum = bytes.slice(0, -1).reduce((a, b) => (a + b) & 0xff, 0);
      return sum === bytes[size - 1] ? { improv: true, type: bytes[7], sequence: 0, data: Uint8Array.from(bytes.slice(HEADER, -1)) } : null;
    }
    const good = crc32(bytes.slice(0, -4)) === (bytes[size - 4] * 0x1000000 + (bytes[size - 3] << 16 | bytes[size - 2] << 8 | bytes[size - 1]));
    return good ? { improv: false, type: bytes[5], sequence: bytes[6], data: Uint8Array.from(bytes.slice(HEADER, -4)) } : null;
  }
}

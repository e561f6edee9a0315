// Asks a board over a Web Serial port, as tools/Cli/Serial/BoardLine.cs does: one request at a time, sent again while no answer comes.

import { Decoder, Errors, PIECE_MAX, Types, crc32, enrolment, frame, hex, u32, wifiSettings } from "./frames.js";

const TRIES = 20;
const ANSWER_MS = 3000;
const JOIN_MS = 60000;
const FRAMES_MAX = 64;

/** What went wrong with a board; `code` is one of tools/Cli/Provision/ProvisionCode.cs. */
export class BoardError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class Board {
  #port;
  #reader;
  #decoder = new Decoder();
  #frames = [];
  #wake = () => {};
  #ended = null;
  #sequence = 0;

  /** Milliseconds spent waiting for the board. */
  waitedMs = 0;

  constructor(port) {
    this.#port = port;
  }

  async open() {
    try {
      await this.#port.open({ baudRate: 115200 });
      // Neither line held: a board's reset circuit stays at rest.
      await this.#port.setSignals?.({ dataTerminalReady: false, requestToSend: false });
    } catch (error) {
      throw new BoardError("P101", `the port cannot be opened: ${error.message}`);
    }
    this.#read();
  }

  async close() {
    try {
      await this.#reader?.cancel();
      await this.#port.close();
    } catch {
      // It is gone already: that is what closing is for.
    }
  }

  async identify() {
    const data = await this.#ask(Types.identity, [], "P202");
    const text = new TextDecoder();
    const firmware = data[86];
    const board = data[87 + firmware];
    if (data.length < 88 || data.length !== 88 + firmware + board) throw new BoardError("P202", "its identity is malformed");
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data.slice(1, 65)));
    const device = hex(data.slice(65, 85));
    if (device !== hex(digest.slice(12))) throw new BoardError("P202", "its device id is not that of its public key");
    return {
      keyKind: data[0], publicKey: hex(data.slice(1, 65)), device,
      firmware: text.decode(data.slice(87, 87 + firmware)), board: text.decode(data.slice(88 + firmware)),
    };
  }

  /** The device's signature over its claim, hex. All three as bytes. */
  async claim(chainId, registry, owner) {
    const data = await this.#ask(Types.claim, [...chainId, ...registry, ...owner], "P301");
    if (data.length !== 64) throw new BoardError("P301", `its claim has ${data.length} bytes and not 64`);
    return hex(data);
  }

  async enrol(parts) {
    const all = enrolment(parts);
    const mark = [...u32(all.length), ...u32(crc32(all))];
    let at = this.#next(await this.#ask(Types.enrolBegin, mark, "P401"), all.length);
    while (at < all.length) {
      const piece = all.slice(at, at + PIECE_MAX);
      const next = this.#next(await this.#ask(Types.enrolData, [...u32(at), ...piece], "P401"), all.length);
      if (next <= at) throw new BoardError("P401", `it took no byte of the enrolment from ${at} on`);
      at = next;
    }
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", all));
    await this.#ask(Types.enrolCommit, [...mark, ...digest], "P401");
  }

  restart() {
    return this.#ask(Types.restart, [], "P401");
  }

  /** Gives it its Wi-Fi (Improv) and waits until it has joined. */
  async join(ssid, password) {
    const bytes = wifiSettings(ssid, password);
    try {
      for (let tries = 0; tries < 2; tries++) {
        await this.#write(bytes);
        const end = performance.now() + JOIN_MS;
        for (let answer = await this.#frame(end); answer; answer = await this.#frame(end)) {
          if (!answer.improv) continue;
          if (answer.type === 4 && answer.data[0] === 1) return;
          if (answer.type === 2 && answer.data[0] === 3) throw new BoardError("P403", "it cannot join the network");
          if (answer.type === 2 && answer.data[0] !== 0) throw new BoardError("P401", `it refused the Wi-Fi settings with code ${answer.data[0]}`);
        }
      }
    } finally {
      bytes.fill(0);
    }
    throw new BoardError("P201", "it said nothing of its Wi-Fi");
  }

  #next(data, length) {
    const next = data.length === 4 ? data[0] * 0x1000000 + (data[1] << 16 | data[2] << 8 | data[3]) : -1;
    if (next < 0 || next > length) throw new BoardError("P401", "it named no place in the enrolment");
    return next;
  }

  async #ask(type, data, refused) {
    this.#sequence = (this.#sequence + 1) & 0xff;
    const bytes = frame(type, this.#sequence, data);
    for (let tries = 0; tries < TRIES; tries++) {
      await this.#write(bytes);
      const end = performance.now() + ANSWER_MS;
      for (let answer = await this.#frame(end); answer; answer = await this.#frame(end)) {
        if (answer.improv || answer.sequence !== this.#sequence) continue;
        if (answer.type === (type | 0x80)) return answer.data;
        if (answer.type !== Types.error) continue;
        const code = answer.data[0] === Errors.noKey ? "P203" : answer.data[0] === Errors.locked ? "P402" : refused;
        throw new BoardError(code, `it refused with code ${answer.data[0]}: ${new TextDecoder().decode(answer.data.slice(1))}`);
      }
    }
    throw new BoardError("P201", `no answer in ${TRIES} tries`);
  }

  /** The next frame, or null at that time. */
  async #frame(end) {
    const began = performance.now();
    try {
      while (this.#frames.length === 0) {
        if (this.#ended) throw new BoardError("P902", `its serial line hung up: ${this.#ended}`);
        const left = end - performance.now();
        if (left <= 0) return null;
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, left);
          this.#wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      return this.#frames.shift();
    } finally {
      this.waitedMs += performance.now() - began;
    }
  }

  async #write(bytes) {
    try {
      const writer = this.#port.writable.getWriter();
      try {
        await writer.write(bytes);
      } finally {
        writer.releaseLock();
      }
    } catch (error) {
      throw new BoardError("P902", `its serial line hung up: ${error.message}`);
    }
  }

  async #read() {
    try {
      this.#reader = this.#port.readable.getReader();
      for (;;) {
        const { value, done } = await this.#reader.read();
        if (done) break;
        this.#frames.push(...this.#decoder.push(value));
        this.#frames.splice(0, Math.max(0, this.#frames.length - FRAMES_MAX));
        this.#wake();
      }
      this.#ended = "closed";
    } catch (error) {
      this.#ended = error.message;
    } finally {
      try {
        this.#reader?.releaseLock();
      } catch {
        // A port that vanished has no lock to give back.
      }
      this.#wake();
    }
  }
}

// Checks a proof (depin-proof/1) as `depin verify` does, in this browser alone: no library, and no secure context needed (a gateway in a LAN may speak
// plain HTTP, where browsers keep their own cryptography back). Frame layout: the protocol's README. P-256: FIPS 186-5 section 6.4.2. Keccak-f: FIPS 202.
const bytes = (hex) => Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (data) => "0x" + Array.from(data, (b) => b.toString(16).padStart(2, "0")).join("");
const number = (data) => data.reduce((sum, b) => (sum << 8n) | BigInt(b), 0n);
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));

const M64 = (1n << 64n) - 1n;
const rotate = (v, n) => n ? ((v << BigInt(n)) | (v >> BigInt(64 - n))) & M64 : v;
const [offsets, lanes] = (() => { // rho and pi
  const offsets = [], lanes = [];
  let [x, y] = [1, 0];
  for (let t = 0; t < 24; t++) {
    lanes.push(x + 5 * y);
    offsets.push(((t + 1) * (t + 2) / 2) % 64);
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return [offsets, lanes];
})();
const constants = (() => { // iota, from its shift register
  const all = [];
  let r = 1;
  for (let round = 0; round < 24; round++) {
    let c = 0n;
    for (let j = 0; j < 7; j++) {
      if (r & 1) c |= 1n << BigInt((1 << j) - 1);
      r = (r << 1) ^ (r & 0x80 ? 0x171 : 0);
    }
    all.push(c);
  }
  return all;
})();
function keccakF(s) {
  for (const constant of constants) {
    const c = [0, 1, 2, 3, 4].map((x) => s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20]);
    for (let i = 0; i < 25; i++) s[i] ^= c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
    let held = s[1];
    for (let t = 0; t < 24; t++) {
      const to = lanes[(t + 1) % 24];
      [s[to], held] = [rotate(held, offsets[t]), s[to]];
    }
    for (let y = 0; y < 25; y += 5) {
      const row = s.slice(y, y + 5);
      for (let x = 0; x < 5; x++) s[y + x] = row[x] ^ (~row[(x + 1) % 5] & M64 & row[(x + 2) % 5]);
    }
    s[0] ^= constant;
  }
}
export function keccak(data) {
  const rate = 136, s = Array(25).fill(0n), padded = new Uint8Array((Math.floor(data.length / rate) + 1) * rate);
  padded.set(data);
  padded[data.length] ^= 1;
  padded[padded.length - 1] ^= 0x80;
  for (let at = 0; at < padded.length; at += rate) {
    for (let i = 0; i < rate / 8; i++) s[i] ^= number(padded.slice(at + 8 * i, at + 8 * i + 8).reverse());
    keccakF(s);
  }
  return Uint8Array.from({ length: 32 }, (_, i) => Number((s[i >> 3] >> BigInt(8 * (i & 7))) & 255n));
}

const primes = (() => { const all = []; for (let n = 2; all.length < 64; n++) if (all.every((p) => n % p)) all.push(n); return all; })();
const fraction = (v) => Math.floor((v - Math.floor(v)) * 2 ** 32) >>> 0;
const K = primes.map((p) => fraction(Math.cbrt(p)));
export function sha256(data) {
  const h = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
  const padded = new Uint8Array((Math.floor((data.length + 8) / 64) + 1) * 64), view = new DataView(padded.buffer);
  padded.set(data);
  padded[data.length] = 0x80;
  view.setUint32(padded.length - 4, data.length * 8);
  const r = (v, n) => (v >>> n) | (v << (32 - n));
  for (let at = 0; at < padded.length; at += 64) {
    const w = Array.from({ length: 64 }, (_, i) => i < 16 ? view.getUint32(at + 4 * i) : 0);
    for (let i = 16; i < 64; i++) w[i] = (w[i - 16] + (r(w[i - 15], 7) ^ r(w[i - 15], 18) ^ (w[i - 15] >>> 3)) + w[i - 7] + (r(w[i - 2], 17) ^ r(w[i - 2], 19) ^ (w[i - 2] >>> 10))) >>> 0;
    let [a, b, c, d, e, f, g, i7] = h;
    for (let i = 0; i < 64; i++) {
      const t1 = (i7 + (r(e, 6) ^ r(e, 11) ^ r(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) >>> 0, t2 = ((r(a, 2) ^ r(a, 13) ^ r(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) >>> 0;
      [a, b, c, d, e, f, g, i7] = [(t1 + t2) >>> 0, a, b, c, (d + t1) >>> 0, e, f, g];
    }
    [a, b, c, d, e, f, g, i7].forEach((v, i) => { h[i] = (h[i] + v) >>> 0; });
  }
  return Uint8Array.from(h.flatMap((v) => [v >>> 24, (v >>> 16) & 255, (v >>> 8) & 255, v & 255]));
}

// SP 800-186 section 3.2.1.3.
const P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn, N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;
const G = [0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296n, 0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5n];
const mod = (v, m) => ((v % m) + m) % m;
const inverse = (v, m) => {
  let [a, b, x, y] = [mod(v, m), m, 1n, 0n];
  while (b) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return mod(x, m);
};
const add = (p, q) => {
  if (!p) return q;
  if (!q) return p;
  if (p[0] === q[0] && mod(p[1] + q[1], P) === 0n) return null;
  const slope = p[0] === q[0] ? mod((3n * p[0] * p[0] - 3n) * inverse(2n * p[1], P), P) : mod((q[1] - p[1]) * inverse(q[0] - p[0], P), P);
  const x = mod(slope * slope - p[0] - q[0], P);
  return [x, mod(slope * (p[0] - x) - p[1], P)];
};
const times = (k, p) => {
  let sum = null;
  for (let q = p; k; k >>= 1n, q = add(q, q)) if (k & 1n) sum = add(sum, q);
  return sum;
};
export function verifyP256(key, digest, signature) {
  const q = [number(key.slice(0, 32)), number(key.slice(32))], r = number(signature.slice(0, 32)), s = number(signature.slice(32));
  if (q[0] >= P || q[1] >= P || mod(q[1] * q[1] - (q[0] ** 3n - 3n * q[0] + B), P) !== 0n) return false;
  if (r === 0n || s === 0n || r >= N || s >= N) return false;
  const w = inverse(s, N), at = add(times(mod(number(digest) * w, N), G), times(mod(r * w, N), q));
  return at !== null && mod(at[0], N) === r;
}

const text = new TextEncoder();
const word = (value) => bytes("0x" + BigInt(value).toString(16).padStart(64, "0")); // an address, a hash or a number alike
const struct = (type, ...values) => keccak(join(keccak(text.encode(type)), ...values.map(word)));
const pair = (a, b) => keccak(number(a) < number(b) ? join(a, b) : join(b, a));
const fold = (leaf, path) => path.reduce((sum, node) => pair(sum, bytes(node)), leaf);
const batchHash = (b) => struct("Batch(address gateway,uint64 number,bytes32 previous,bytes32 root,uint32 frames,uint32 samples,uint64 firstReceivedMs,uint64 lastReceivedMs,bytes32 body)",
  b.gateway, b.number, b.previous, b.root, b.frames, b.samples, b.firstReceivedMs, b.lastReceivedMs, b.body);
const anchorHash = (a) => struct("Anchor(uint64 epoch,bytes32 previous,bytes32 root,uint32 batches,uint64 frames)", a.epoch, a.previous, a.root, a.batches, a.frames);

/** The proof in a text, exactly: every member known, there once, of its one type and length; numbers as BigInt, hex in small letters. Throws what is wrong. */
export function read(json) {
  if (json.length > 65_536) throw new Error("it is longer than 64 KiB");
  const proof = JSON.parse(json);
  if (/\\/.test(json) || !/^[\s{}[\],:0-9]*$/.test(json.replace(/"[^"]*"/g, ""))) throw new Error("it holds what no proof has");
  const fail = (name, what) => { throw new Error(`${name}: ${what}`); };
  const whole = (max) => (v, name) => {
    if (!(typeof v === "number" && Number.isSafeInteger(v) && v >= 0) && !(typeof v === "string" && /^(0|[1-9][0-9]{0,19})$/.test(v))) fail(name, "no whole number");
    return BigInt(v) <= max ? BigInt(v) : fail(name, `above ${max}`);
  };
  const [u32, u63, u64] = [32, 63, 64].map((bits) => whole((1n << BigInt(bits)) - 1n));
  const data = (least, most) => (v, name) => typeof v === "string" && /^0x([0-9a-fA-F]{2})*$/.test(v) && v.length >= 2 + 2 * least && v.length <= 2 + 2 * most ? v.toLowerCase() : fail(name, `not 0x and ${least} to ${most} bytes of hex`);
  const hash = data(32, 32);
  const address = (v, name) => {
    const small = data(20, 20)(v, name), digits = v.slice(2);
    if (digits !== digits.toLowerCase() && digits !== digits.toUpperCase()) { // EIP-55
      const sum = hex(keccak(text.encode(small.slice(2)))).slice(2);
      if ([...digits].some((c, i) => /[a-f]/i.test(c) && (c < "a") !== (parseInt(sum[i], 16) > 7))) fail(name, "its checksum is wrong");
    }
    return small;
  };
  const path = (most) => (v, name) => Array.isArray(v) && v.length <= most ? v.map((node, i) => hash(node, `${name}[${i}]`)) : fail(name, `no array of at most ${most}`);
  const object = (members) => (v, name) => {
    if (typeof v !== "object" || v === null || Array.isArray(v)) fail(name, "no object");
    for (const member of Object.keys(v)) if (!Object.hasOwn(members, member)) fail(member, "unknown field");
    return Object.fromEntries(Object.entries(members).map(([member, take]) => [member, Object.hasOwn(v, member) ? take(v[member], name ? `${name}.${member}` : member) : fail(member, "missing")]));
  };
  const taken = object({
    type: (v) => v === "depin-proof/1" ? v : fail("type", "not depin-proof/1"), chainId: u64, ledger: address, frame: data(144, 1_168), publicKey: data(64, 64), batchPath: path(16),
    batch: object({ gateway: address, number: u64, previous: hash, root: hash, frames: u32, samples: u32, firstReceivedMs: u64, lastReceivedMs: u64, body: hash }),
    anchorPath: path(32), anchor: object({ epoch: u64, previous: hash, root: hash, batches: u32, frames: u64 }), ordinal: u63, ledgerSize: u63, ledgerPath: path(40),
  })(proof, "");
  if (json.match(/"\s*:/g).length !== 26) throw new Error("a field is given twice");
  return taken;
}

const isZero = (hash) => /^0x0*$/.test(hash);
const frameFault = (frame) => {
  const payload = (frame[6] << 8) | frame[7], sequence = number(frame.slice(32, 40)), [r, s] = [number(frame.slice(-64, -32)), number(frame.slice(-32))];
  if (frame[0] !== 0x44 || frame[1] !== 0x46) return "no frame";
  if (frame[2] !== 1) return "of an unknown version";
  if (frame[3] & ~3) return "with unknown flags";
  if (payload !== frame.length - 144) return "of another length than it says";
  if (!(frame[3] & 2) && payload % 16) return "with a payload that is no samples";
  if (sequence === 0n) return "without a sequence";
  if (sequence === 1n && frame.slice(48, 80).some((b) => b)) return "the first one, and names one before";
  if (r === 0n || s === 0n || r >= N || s > N / 2n) return "with a signature out of range";
  return "";
};
const batchFault = (b) => isZero(b.gateway) ? "no gateway" : b.number === 0n ? "no number" : (b.number === 1n) !== isZero(b.previous) ? "its number and the batch before do not fit" :
  b.frames === 0n || b.frames > 65_536n ? "its count of frames" : isZero(b.root) || isZero(b.body) ? "a hash is zero" : b.firstReceivedMs > b.lastReceivedMs ? "its times are reversed" : "";
const anchorFault = (a) => isZero(a.root) ? "its root is zero" : a.batches === 0n ? "it has no batch" : a.frames < a.batches || a.frames > a.batches * 65_536n ? "its count of frames" : "";

/** The steps of the check, as `depin verify` names them: [name, holds or null where it cannot be said, detail]. */
export function check(proof) {
  const frame = bytes(proof.frame), key = bytes(proof.publicKey), steps = [];
  const step = (name, holds, good, bad) => steps.push([name, holds, holds ? good : bad]);
  const fault = frameFault(frame);
  step("frame", !fault, `sequence ${number(frame.slice(32, 40))}`, `these bytes are ${fault}`);
  if (fault) {
    for (const name of ["device", "signature"]) steps.push([name, null, "not checked: there is no frame to check"]);
  } else {
    const named = hex(frame.slice(8, 28));
    // An id is the hash of the device's first key: whether it changed to this one, only the chain can say.
    const first = hex(sha256(key).slice(12)) === named;
    steps.push(["device", first || null, first ? named.slice(2) : `the frame names ${named.slice(2)}, whose first key is another one: 'depin verify FILE --rpc URL' asks the chain whether it changed to this key`]);
    step("signature", verifyP256(key, sha256(frame.slice(0, -64)), frame.slice(-64)), "the device's key signed this frame", "the device's key did not sign this frame");
  }
  const path = (name, what, leaf, nodes, rootHash, leaves) => {
    const least = leaves === 0n ? 0 : leaves.toString(2).length - 1, most = leaves & (leaves - 1n) ? least + 1 : least;
    step(name, nodes.length >= least && nodes.length <= most && hex(fold(leaf, nodes)) === rootHash, `${what} of ${leaves}, over ${nodes.length} hashes`, `the path does not lead to ${rootHash}`);
  };
  const ofBatch = batchFault(proof.batch), ofAnchor = anchorFault(proof.anchor);
  step("batch", !ofBatch, `batch ${proof.batch.number} of ${proof.batch.gateway}, ${proof.batch.frames} frames`, `the header contradicts itself: ${ofBatch}`);
  path("batch path", "the frame is in the batch, one", keccak(keccak(frame)), proof.batchPath, proof.batch.root, proof.batch.frames);
  step("anchor", !ofAnchor, `epoch ${proof.anchor.epoch}, ${proof.anchor.batches} batches`, `the anchor contradicts itself: ${ofAnchor}`);
  path("anchor path", "the batch is in the anchor, one", batchHash(proof.batch), proof.anchorPath, proof.anchor.root, proof.anchor.batches);
  const height = proof.ordinal < proof.ledgerSize ? (proof.ordinal ^ proof.ledgerSize).toString(2).length - 1 : -1;
  step("ledger path", height === proof.ledgerPath.length, `leads to peak ${height}, ${hex(fold(anchorHash(proof.anchor), proof.ledgerPath))}`, `the path does not fit anchor ${proof.ordinal} of ${proof.ledgerSize}`);
  return steps;
}

/** What only a ledger can tell: whether this gateway's holds that anchor at that place. 'depin verify' asks the chain itself. */
async function compare(proof) {
  const status = await (await fetch("/api/status")).json();
  if (BigInt(status.chainId) !== proof.chainId || status.ledger.toLowerCase() !== proof.ledger) return ["ledger", false, `it speaks of ${proof.ledger} on chain ${proof.chainId}; this gateway follows ${status.ledger} on chain ${status.chainId}`];
  const answer = await fetch(`/api/anchors/${proof.ordinal}/path?size=${proof.ledgerSize}`);
  if (answer.status === 404) return ["ledger", false, `this gateway knows no anchor ${proof.ordinal} in a ledger of ${proof.ledgerSize}`];
  if (!answer.ok) return ["ledger", null, `this gateway cannot say (${answer.status}): 'depin verify FILE --rpc URL' asks the chain`];
  const known = await answer.json();
  const holds = known.hash === hex(anchorHash(proof.anchor)) && known.path.join() === proof.ledgerPath.join();
  return ["ledger", holds, holds ? `this gateway has read the same anchor ${proof.ordinal} from the chain; 'depin verify FILE --rpc URL' asks the chain itself` : `anchor ${proof.ordinal} of the ledger is another one`];
}

export function start() {
  const list = document.getElementById("steps");
  const show = (steps) => list.replaceChildren(...steps.map(([name, holds, detail]) => {
    const item = document.createElement("li"), bold = document.createElement("b");
    item.className = holds ? "good" : holds === null ? "open" : "bad";
    bold.textContent = name;
    item.append(bold, `: ${detail}`);
    return item;
  }));
  const run = async (json) => {
    try {
      const proof = read(json), steps = check(proof);
      show([...steps, ["ledger", null, "asking this gateway"]]);
      show([...steps, await compare(proof)]);
    } catch (fault) {
      show([["proof", false, `this is no proof (${fault.message}): export it again`]]);
    }
  };
  const here = document.querySelector("[data-proof]"), file = document.querySelector("[data-proof-file]");
  if (here) {
    here.hidden = false;
    document.getElementById("check").addEventListener("click", async () => {
      const answer = await fetch(here.dataset.proof);
      if (answer.ok) await run(await answer.text());
      else show([["proof", false, `the gateway does not give it (${answer.status})`]]);
    });
  }
  if (file) {
    file.hidden = false;
    document.getElementById("file").addEventListener("change", async (event) => { if (event.target.files[0]) await run(await event.target.files[0].text()); });
  }
}

// Writes shared/vectors/evidence.json with other people's code only (OpenZeppelin's Merkle tree, viem, node:crypto):
//   node tests/Evidence/peers/vectors.mjs > shared/vectors/evidence.json
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree';
import {
  concat, hashDomain, hashStruct, hashTypedData, keccak256, numberToHex, serializeTransaction, signatureToCompactSignature,
  serializeCompactSignature, slice, stringToHex,
} from 'viem';
import { privateKeyToAccount, sign } from 'viem/accounts';

const types = {
  Batch: [
    ['address', 'gateway'], ['uint64', 'number'], ['bytes32', 'previous'], ['bytes32', 'root'], ['uint32', 'frames'],
    ['uint32', 'samples'], ['uint64', 'firstReceivedMs'], ['uint64', 'lastReceivedMs'], ['bytes32', 'body'],
  ].map(([type, name]) => ({ type, name })),
  Anchor: [['uint64', 'epoch'], ['bytes32', 'previous'], ['bytes32', 'root'], ['uint32', 'batches'], ['uint64', 'frames']]
    .map(([type, name]) => ({ type, name })),
};
const hash = (text) => keccak256(stringToHex(text));
const pair = (a, b) => keccak256(concat(a < b ? [a, b] : [b, a])); // lower-case hex of one length orders as its bytes
const sha256 = (hex) => '0x' + createHash('sha256').update(Buffer.from(hex.slice(2), 'hex')).digest('hex');
const zero = '0x' + '00'.repeat(32);
const domain = { name: 'DePIN Edge', version: '1', chainId: 31337n, verifyingContract: '0x5fbdb2315678afecb367f032d93f642f64180aa3' };
const typed = (primaryType, message) => ({
  ...message,
  hash: hashStruct({ data: message, primaryType, types }),
  digest: hashTypedData({ domain, types, primaryType, message }),
});
const address = (key) => privateKeyToAccount(key).address.toLowerCase();
const compact = async (key, digest) =>
  serializeCompactSignature(signatureToCompactSignature(await sign({ hash: digest, privateKey: key })));
const tree = (leaves) => {
  const built = SimpleMerkleTree.of(leaves, { sortLeaves: false });
  return { leaves, root: built.root, proofs: leaves.map((_, i) => built.getProof(i)) };
};
// The ledger's range as the contract keeps it, and paths by search: the siblings met while merging.
const range = (anchors) => {
  const peaks = {};
  const paths = anchors.map(() => []);
  const members = {};
  anchors.forEach((anchor, i) => {
    let node = anchor, group = [i], h = 0;
    for (; peaks[h]; h++) {
      for (const m of members[h]) paths[m].push(node);
      for (const m of group) paths[m].push(peaks[h]);
      node = pair(peaks[h], node);
      group = [...members[h], ...group];
      delete peaks[h];
      delete members[h];
    }
    peaks[h] = node;
    members[h] = group;
  });
  return { anchors, size: anchors.length, peaks: { ...peaks }, paths };
};

const frames = JSON.parse(readFileSync(new URL('../../../shared/vectors/frame.json', import.meta.url)));
const frameBytes = frames.valid.map((f) => '0x' + f.frame);
const sealed = (frame) => (parseInt(frame.slice(8, 10), 16) & 2) !== 0;
const length = (frame) => (frame.length - 2) / 2;
const bodyBytes = concat(frameBytes.flatMap((frame) => [numberToHex(length(frame), { size: 2 }), frame]));
// Spans: every vector frame is of the next sequence or of another device; runs of one profile ascending by device, then sequence. A frame is
// doubtful when a sample's quality, its fourth byte, is not 0, or it has no sample and is not sealed.
const doubtful = (frame) => {
  if (sealed(frame)) return 0;
  const samples = Array.from({ length: (length(frame) - 144) / 16 }, (_, i) => slice(frame, 80 + i * 16 + 3, 80 + i * 16 + 4));
  return samples.length === 0 || samples.some((quality) => quality !== '0x00') ? 1 : 0;
};
const spanKeys = frameBytes.map((frame) => ({ device: slice(frame, 8, 28), sequence: BigInt(slice(frame, 32, 40)), profile: slice(frame, 4, 6), doubtful: doubtful(frame) }))
  .sort((a, b) => (a.device === b.device ? (a.sequence < b.sequence ? -1 : 1) : a.device < b.device ? -1 : 1));
const runs = [];
for (const { device, sequence, profile, doubtful } of spanKeys) {
  const last = runs.at(-1);
  if (last?.device === device && last.last + 1n === sequence && last.profile === profile) [last.last, last.doubtful] = [sequence, last.doubtful + doubtful];
  else runs.push({ device, first: sequence, last: sequence, profile, doubtful });
}
const spanBytes = concat(runs.flatMap((run) => [run.device, numberToHex(run.first, { size: 8 }), numberToHex(run.last, { size: 8 }),
  run.profile, numberToHex(run.doubtful, { size: 4 })]));
const batchTree = tree(frameBytes.map((frame) => keccak256(keccak256(frame))));

const keys = [1, 2, 3, 4].map((n) => hash(`gateway ${n}`));
const batch = typed('Batch', {
  gateway: address(keys[0]), number: 1n, previous: zero, root: batchTree.root, frames: frameBytes.length,
  samples: frameBytes.reduce((n, frame) => n + (sealed(frame) ? 0 : (length(frame) - 144) / 16), 0),
  firstReceivedMs: 1800000000000n, lastReceivedMs: 1800000060000n, body: sha256(concat([sha256(spanBytes), sha256(bodyBytes)])),
});
const later = typed('Batch', {
  gateway: address(keys[1]), number: 18446744073709551615n, previous: hash('previous batch'), root: hash('root'), frames: 65536,
  samples: 4194304, firstReceivedMs: 1800000000001n, lastReceivedMs: 1800000000001n, body: hash('body'),
});
const ordered = [batch, later].sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
const anchorTree = tree(ordered.map((b) => b.hash));
const anchor = typed('Anchor', {
  epoch: 30000000n, previous: hash('anchor 4'), root: anchorTree.root, batches: 2, frames: BigInt(batch.frames + later.frames),
});
const anchors = Array.from({ length: 11 }, (_, i) => (i === 5 ? anchor.hash : hash(`anchor ${i}`)));
const ledger = range(anchors);

const attestations = await Promise.all(keys.slice(0, 3).map(async (key) => ({
  privateKey: key, gateway: address(key), signature: await compact(key, batch.digest),
})));
attestations.sort((a, b) => (a.gateway < b.gateway ? -1 : 1));
const header = concat([
  batch.gateway, numberToHex(batch.number, { size: 8 }), batch.previous, batch.root, numberToHex(batch.frames, { size: 4 }),
  numberToHex(batch.samples, { size: 4 }), numberToHex(batch.firstReceivedMs, { size: 8 }), numberToHex(batch.lastReceivedMs, { size: 8 }), batch.body,
]);
const plain = ({ hash: _, digest: __, ...fields }) => fields;

const transactions = await Promise.all([
  { chainId: 31337, nonce: 0, maxPriorityFeePerGas: 1000000000n, maxFeePerGas: 30000000000n, gas: 21000n, to: domain.verifyingContract, value: 1n, data: '0x' },
  { chainId: 1, nonce: 300, maxPriorityFeePerGas: 0n, maxFeePerGas: 1n << 70n, gas: 5000000n, to: null, value: 0n, data: '0x' + '60'.repeat(300) },
].map(async (t) => {
  const fields = { type: 'eip1559', ...t, to: t.to ?? undefined };
  const raw = serializeTransaction(fields, await sign({ hash: keccak256(serializeTransaction(fields)), privateKey: keys[0] }));
  return { ...t, privateKey: keys[0], raw, hash: keccak256(raw) };
}));

const output = {
  about: 'Evidence computed by other people\'s code (tests/Evidence/peers/vectors.mjs): OpenZeppelin\'s Merkle tree, viem, node:crypto. '
    + 'Bytes with 0x as in evidence JSON; integers from 2^53 are decimal strings. The batch holds the valid frames of frame.json in order.',
  keccak: ['0x', '0x616263', '0x' + 'a3'.repeat(135), '0x' + 'a3'.repeat(136), '0x' + 'a3'.repeat(137)].map((data) => ({ data, hash: keccak256(data) })),
  domain: { ...domain, separator: hashDomain({ domain, types: { EIP712Domain: [
    { name: 'name', type: 'string' }, { name: 'version', type: 'string' }, { name: 'chainId', type: 'uint256' }, { name: 'verifyingContract', type: 'address' } ] } }) },
  trees: [1, 2, 3, 5, 8, 13].map((n) => tree(Array.from({ length: n }, (_, i) => hash(`leaf ${i}`)))),
  range: ledger,
  batches: [batch, later],
  anchor,
  certificate: {
    attestations,
    bytes: concat(['0x445101', header, numberToHex(attestations.length, { size: 2 }), ...attestations.flatMap((a) => [a.gateway, a.signature])]),
  },
  transactions,
  proof: {
    type: 'depin-proof/1', chainId: 31337, ledger: domain.verifyingContract, frame: frameBytes[1], publicKey: '0x' + frames.publicKey,
    batchPath: batchTree.proofs[1], batch: plain(batch), anchorPath: anchorTree.proofs[ordered.indexOf(batch)], anchor: plain(anchor),
    ordinal: 5, ledgerSize: 11, ledgerPath: ledger.paths[5],
  },
};
const integers = (_, value) => (typeof value !== 'bigint' ? value : value < 1n << 53n ? Number(value) : value.toString());
process.stdout.write(JSON.stringify(output, integers, 2) + '\n');

// What other people's code makes of our evidence: OpenZeppelin's Merkle tree and viem's typed data, signatures and transactions.
// Input on stdin: { trees: [[leaf, ...]], batches: [...], anchors: [...], signatures: [...], transactions: [...] }, all optional.
import { SimpleMerkleTree } from '@openzeppelin/merkle-tree';
import {
  hashTypedData, hashStruct, keccak256, parseTransaction, recoverAddress, recoverTransactionAddress,
  serializeTransaction, parseCompactSignature, compactSignatureToSignature, serializeSignature, encodeAbiParameters,
} from 'viem';
import { privateKeyToAccount, sign } from 'viem/accounts';

const types = {
  Batch: [
    ['address', 'gateway'], ['uint64', 'number'], ['bytes32', 'previous'], ['bytes32', 'root'], ['uint32', 'frames'],
    ['uint32', 'samples'], ['uint64', 'firstReceivedMs'], ['uint64', 'lastReceivedMs'], ['bytes32', 'body'],
  ],
  Anchor: [['uint64', 'epoch'], ['bytes32', 'previous'], ['bytes32', 'root'], ['uint32', 'batches'], ['uint64', 'frames']],
};
for (const name of Object.keys(types)) types[name] = types[name].map(([type, field]) => ({ type, name: field }));

let text = '';
for await (const chunk of process.stdin) text += chunk;
const input = JSON.parse(text);

const integers = (message) => Object.fromEntries(Object.entries(message).map(([k, v]) => [k, /^\d+$/.test(String(v)) ? BigInt(v) : v]));
const typed = (primaryType) => ({ domain, message }) => {
  const data = integers(message);
  return {
    hash: hashStruct({ data, primaryType, types }),
    digest: hashTypedData({ domain: { ...domain, chainId: BigInt(domain.chainId) }, types, primaryType, message: data }),
  };
};

const output = {
  trees: (input.trees ?? []).map((leaves) => {
    const tree = SimpleMerkleTree.of(leaves, { sortLeaves: false });
    return { root: tree.root, proofs: leaves.map((_, i) => tree.getProof(i)) };
  }),
  batches: (input.batches ?? []).map(typed('Batch')),
  anchors: (input.anchors ?? []).map(typed('Anchor')),
  signatures: await Promise.all((input.signatures ?? []).map(async ({ key, digest, compact }) => ({
    address: privateKeyToAccount(key).address,
    recovered: await recoverAddress({ hash: digest, signature: serializeSignature(compactSignatureToSignature(parseCompactSignature(compact))) }),
    own: serializeSignature(await sign({ hash: digest, privateKey: key })),
  }))),
  transactions: await Promise.all((input.transactions ?? []).map(async ({ raw }) => {
    const { r, s, v, yParity, ...fields } = parseTransaction(raw);
    return {
      hash: keccak256(raw),
      again: serializeTransaction(fields, { r, s, yParity }),
      from: await recoverTransactionAddress({ serializedTransaction: raw }),
      fields: Object.fromEntries(Object.entries(fields).map(([k, f]) => [k, typeof f === 'bigint' ? f.toString() : f])),
    };
  })),
  abi: (input.abi ?? []).map(({ types: parameters, values }) => encodeAbiParameters(parameters, values)),
};
process.stdout.write(JSON.stringify(output));

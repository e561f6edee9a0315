// Writes shared/vectors/rewards.json with other people's code only (BigInt arithmetic of JavaScript, OpenZeppelin's Merkle tree, viem):
//   node tests/Evidence/peers/rewards.mjs > shared/vectors/rewards.json
import { StandardMerkleTree } from '@openzeppelin/merkle-tree';
import { hashTypedData, keccak256, stringToHex } from 'viem';

const address = (name) => '0x' + keccak256(stringToHex(name)).slice(-40);
const order = (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0); // lower-case hex of one length orders as its bytes
const token = 10n ** 18n;
// The rule of shared/Contracts/README.md, "Rewards", once more.
const divide = ({ epochSeconds, emissionPerDay, deviceShare, framesPerDeviceMax, doubtfulShare, devices, gateways }) => {
  const emission = BigInt(emissionPerDay) * BigInt(epochSeconds) / 86400n;
  const owners = emission * BigInt(deviceShare) / 10000n;
  const earned = new Map(), counts = new Map(), points = new Map(), accounts = new Map(), whole = new Map();
  const add = (map, key, value) => map.set(key, (map.get(key) ?? 0n) + value);
  for (const d of devices) {
    const good = 10000n * BigInt(d.frames - d.doubtful) + BigInt(doubtfulShare) * BigInt(d.doubtful), before = whole.get(d.device);
    whole.set(d.device, { ...d, good: (before?.good ?? 0n) + good, weighted: (before?.weighted ?? 0n) + good * BigInt(d.profileWeight) });
  }
  const most = 10000n * BigInt(framesPerDeviceMax);
  for (const d of whole.values()) add(counts, d.owner, (d.good > most ? d.weighted * most / d.good : d.weighted) * BigInt(d.keyKind));
  for (const g of gateways) { add(points, g.gateway, BigInt(g.points)); accounts.set(g.gateway, g.account); }
  const all = (map) => [...map.values()].reduce((sum, value) => sum + value, 0n);
  for (const [owner, count] of counts) add(earned, owner, owners * count / all(counts));
  for (const [gateway, own] of points) add(earned, accounts.get(gateway), (emission - owners) * own / all(points));
  return [...earned].filter(([, amount]) => amount > 0n).sort(order).map(([account, amount]) => [account, amount.toString()]);
};

const device = (i, keyKind, owner, frames, doubtful = 0, profileWeight = 10000) =>
  ({ device: address('device ' + i), keyKind, owner: address('owner ' + owner), frames, doubtful, profileWeight });
const gateway = (i, points, account = 'gateway ' + i) => ({ gateway: address('gateway ' + i), account: address(account), points });
const base = { epochSeconds: 300, emissionPerDay: (10000n * token).toString(), deviceShare: 7000, framesPerDeviceMax: 60, doubtfulShare: 5000 };
const cases = [
  { name: 'one of each', ...base, devices: [device(1, 1, 1, 5)], gateways: [gateway(1, 2)] },
  { name: 'weights, cap, one owner of two', ...base, devices: [device(1, 1, 1, 60), device(2, 2, 1, 61), device(3, 3, 2, 1000)], gateways: [gateway(1, 6), gateway(2, 3), gateway(3, 3, 'operator')] },
  { name: 'a device twice, remainders', ...base, epochSeconds: 7, devices: [device(1, 1, 1, 3), device(2, 1, 2, 3), device(3, 1, 3, 1), device(1, 1, 1, 4)], gateways: [gateway(1, 1), gateway(2, 1), gateway(3, 1), gateway(2, 1)] },
  { name: 'an operator of two who owns too', ...base, devices: [device(1, 2, 1, 9)], gateways: [gateway(1, 5, 'owner 1'), gateway(2, 2, 'owner 1')] },
  { name: 'less than a unit each', ...base, emissionPerDay: '86400', epochSeconds: 1, devices: [device(1, 1, 1, 1), device(2, 1, 2, 1)], gateways: [gateway(1, 1)] },
  { name: 'doubtful frames', ...base, devices: [device(1, 1, 1, 10), device(2, 1, 2, 10, 10), device(3, 1, 3, 11, 3), device(4, 2, 4, 100, 80)], gateways: [gateway(1, 1)] },
  { name: 'doubtful frames that count nothing', ...base, doubtfulShare: 0, devices: [device(1, 1, 1, 10, 3), device(2, 1, 2, 10, 10)], gateways: [gateway(1, 1)] },
  { name: 'profiles', ...base, devices: [device(1, 1, 1, 10, 0, 30000), device(2, 1, 2, 10), device(3, 1, 3, 10, 0, 0), device(4, 3, 4, 7, 1, 12345)], gateways: [gateway(1, 1)] },
  { name: 'two profiles above the cap', ...base, devices: [device(1, 1, 1, 50, 7, 20000), device(1, 1, 1, 31, 2, 5000), device(2, 1, 2, 60)], gateways: [gateway(1, 1)] },
  { name: 'no gateway', ...base, devices: [device(1, 3, 1, 1)], gateways: [] },
].map((one) => ({ ...one, earned: divide(one) }));

const sums = Array.from({ length: 7 }, (_, i) => [address('account ' + i), (BigInt(i * i + 1) * token + BigInt(i)).toString()]).sort(order);
const trees = [1, 2, 3, 7].map((count) => {
  const leaves = sums.slice(0, count), tree = StandardMerkleTree.of(leaves, ['address', 'uint256'], { sortLeaves: false });
  return { leaves, root: tree.root, paths: leaves.map((_, i) => tree.getProof(i)), total: leaves.reduce((sum, [, value]) => sum + BigInt(value), 0n).toString() };
});
const domain = { name: 'DePIN Edge', version: '1', chainId: 31337n, verifyingContract: '0x5fbdb2315678afecb367f032d93f642f64180aa3' };
const types = { Payout: [['uint64', 'epoch'], ['bytes32', 'previous'], ['bytes32', 'root'], ['uint256', 'total']].map(([type, name]) => ({ type, name })) };
const message = { epoch: 12345678901n, previous: trees[0].root, root: trees[3].root, total: BigInt(trees[3].total) };
const digest = hashTypedData({ domain, types, primaryType: 'Payout', message });
const about = 'Rewards computed by other people\'s code (tests/Evidence/peers/rewards.mjs): BigInt, OpenZeppelin\'s StandardMerkleTree, viem. Amounts are decimal strings in the smallest unit.';
const text = (_, value) => (typeof value === 'bigint' ? value.toString() : value);
console.log(JSON.stringify({ about, cases, trees, payout: { chainId: domain.chainId, verifyingContract: domain.verifyingContract, ...message, digest } }, text, 2));

-- Schema of `depin index`, version 1. Bytes as bytea, numbers of the chain as bigint, times in ms since the Unix epoch. What is derived is a view or a function:
-- a frame is kept as the bytes that its device signed, once.

CREATE SCHEMA depin;

-- One row: which network this is, and how far the chain is read. `final_block`: blocks up to it have enough confirmations.
CREATE TABLE depin.network (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    schema_version integer NOT NULL,
    chain_id bigint NOT NULL,
    ledger bytea NOT NULL,
    device_registry bytea NOT NULL,
    gateway_registry bytea NOT NULL,
    deployed_at_block bigint NOT NULL,
    block bigint,
    block_hash bytea,
    block_time_s bigint,
    head bigint,
    final_block bigint NOT NULL DEFAULT -1,
    updated timestamptz NOT NULL DEFAULT now());

-- Blocks that were read up to, newest 512: where a reorganisation left the chain.
CREATE TABLE depin.blocks (number bigint PRIMARY KEY, hash bytea NOT NULL);

-- What the registries said, each row with its block.
CREATE TABLE depin.registrations (
    device bytea PRIMARY KEY, public_key bytea NOT NULL, key_kind smallint NOT NULL, owner bytea NOT NULL, at_s bigint NOT NULL, block bigint NOT NULL);
CREATE TABLE depin.rotations (block bigint, log_index bigint, device bytea NOT NULL, public_key bytea NOT NULL, PRIMARY KEY (block, log_index));
CREATE INDEX rotations_device ON depin.rotations (device, block, log_index);
CREATE TABLE depin.transfers (block bigint, log_index bigint, device bytea NOT NULL, owner bytea NOT NULL, PRIMARY KEY (block, log_index));
CREATE INDEX transfers_device ON depin.transfers (device, block, log_index);
CREATE TABLE depin.revocations (device bytea PRIMARY KEY, at_s bigint NOT NULL, block bigint NOT NULL);
CREATE TABLE depin.gateway_records (
    block bigint, log_index bigint, gateway bytea NOT NULL, tls_key_hash bytea NOT NULL, endpoint text NOT NULL, at_s bigint NOT NULL, PRIMARY KEY (block, log_index));
CREATE TABLE depin.active_sets (version bigint PRIMARY KEY, signers bytea[] NOT NULL, at_s bigint NOT NULL, block bigint NOT NULL);

-- The ledger's entries. `known`: its batches are below, and their hashes are under its root.
CREATE TABLE depin.anchors (
    ordinal bigint PRIMARY KEY,
    epoch bigint NOT NULL,
    hash bytea NOT NULL,
    previous bytea NOT NULL,
    root bytea NOT NULL,
    batches bigint NOT NULL,
    frames bigint NOT NULL,
    block bigint NOT NULL,
    block_hash bytea NOT NULL,
    transaction bytea NOT NULL,
    known boolean NOT NULL DEFAULT false);
CREATE INDEX anchors_unknown ON depin.anchors (ordinal) WHERE NOT known;
CREATE INDEX anchors_block ON depin.anchors (block);

-- The batches of an anchor, `position` in leaf order from 0. `header`: its 148 canonical bytes. `indexed`: all its frames are below, each checked.
CREATE TABLE depin.batches (
    ordinal bigint REFERENCES depin.anchors ON DELETE CASCADE,
    position integer,
    gateway bytea NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    header bytea NOT NULL,
    frames integer NOT NULL,
    frames_hash bytea NOT NULL,
    indexed boolean NOT NULL DEFAULT false,
    PRIMARY KEY (ordinal, position));
CREATE INDEX batches_missing ON depin.batches (ordinal, position) WHERE NOT indexed;

-- The frames, as signed; `place` in the batch from 0. `time_ms`: the device's, or when its gateway closed the batch where the clock was not set.
-- Partitions of 8,192 anchors each are made as they are needed.
CREATE TABLE depin.frames (
    ordinal bigint NOT NULL,
    batch integer NOT NULL,
    place integer NOT NULL,
    device bytea NOT NULL,
    sequence bigint NOT NULL,
    time_ms bigint NOT NULL,
    clock_synchronised boolean NOT NULL,
    frame bytea NOT NULL,
    PRIMARY KEY (device, sequence, ordinal))
    PARTITION BY RANGE (ordinal);
CREATE INDEX frames_time ON depin.frames (device, time_ms, sequence);
CREATE INDEX frames_ordinal ON depin.frames USING brin (ordinal) WITH (pages_per_range = 16);

-- What could not be got, and why: an anchor's batches (position -1) or a batch's body. Asked for again at `next_try`.
CREATE TABLE depin.gaps (
    ordinal bigint REFERENCES depin.anchors ON DELETE CASCADE,
    position integer,
    reason text NOT NULL,
    detail text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 1,
    next_try timestamptz NOT NULL,
    PRIMARY KEY (ordinal, position));

-- What each gateway's API answered so far.
CREATE TABLE depin.sources (
    url text PRIMARY KEY,
    answered bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    unreachable bigint NOT NULL DEFAULT 0,
    lied bigint NOT NULL DEFAULT 0,
    last_fault text,
    last_fault_at timestamptz);

CREATE TABLE depin.channels (channel integer PRIMARY KEY, name text NOT NULL, unit text);

CREATE FUNCTION depin.time_of(ms bigint) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN ms BETWEEN 0 AND 253402300799999 THEN timestamptz 'epoch' + ms * interval '1 millisecond' ELSE 'infinity' END
$$;

-- The samples in a frame (shared/Protocol/FrameFormat.cs has the offsets), values exact.
CREATE FUNCTION depin.samples(frame bytea, time_ms bigint, clock_synchronised boolean)
    RETURNS TABLE (sample integer, channel integer, at_ms bigint, value numeric, quality integer)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT i,
           get_byte(frame, p) * 256 + get_byte(frame, p + 1),
           time_ms + CASE WHEN clock_synchronised THEN ('x' || encode(substring(frame FROM p + 5 FOR 4), 'hex'))::bit(32)::bigint ELSE 0 END,
           trim_scale((('x' || encode(substring(frame FROM p + 9 FOR 8), 'hex'))::bit(64)::bigint::text || 'e'
               || (get_byte(frame, p + 2) - CASE WHEN get_byte(frame, p + 2) > 127 THEN 256 ELSE 0 END)::text)::numeric),
           get_byte(frame, p + 3)
    FROM (SELECT i, 80 + 16 * i AS p
          FROM generate_series(0, CASE WHEN get_byte(frame, 3) & 2 = 0 THEN (length(frame) - 144) / 16 - 1 ELSE -1 END) AS i) AS places
$$;

CREATE VIEW depin.devices AS
SELECT encode(r.device, 'hex') AS device, r.device AS device_id,
       coalesce((SELECT k.public_key FROM depin.rotations k WHERE k.device = r.device ORDER BY k.block DESC, k.log_index DESC LIMIT 1), r.public_key) AS public_key, r.key_kind,
       coalesce((SELECT t.owner FROM depin.transfers t WHERE t.device = r.device ORDER BY t.block DESC, t.log_index DESC LIMIT 1), r.owner) AS owner,
       r.at_s AS registered_at_s, r.block AS registered_block, v.at_s AS revoked_at_s
FROM depin.registrations r LEFT JOIN depin.revocations v USING (device);

CREATE VIEW depin.gateways AS
SELECT DISTINCT ON (g.gateway) encode(g.gateway, 'hex') AS gateway, g.gateway AS gateway_id, g.endpoint, g.tls_key_hash, g.at_s AS recorded_at_s,
       g.gateway = ANY ((SELECT signers FROM depin.active_sets ORDER BY version DESC LIMIT 1)::bytea[]) AS active
FROM depin.gateway_records g ORDER BY g.gateway, g.block DESC, g.log_index DESC;

-- Every reading, proven: with the anchor, the batch and the frame that its proof goes through. Name the device as device_id for the index.
CREATE VIEW depin.readings AS
SELECT encode(f.device, 'hex') AS device, f.device AS device_id, f.sequence, s.sample, depin.time_of(s.at_ms) AS time, f.time_ms, f.clock_synchronised,
       s.channel, c.name, c.unit, s.value, s.quality,
       f.ordinal, a.epoch, a.block, a.transaction, b.gateway, b.number AS batch, f.place, a.block <= n.final_block AS final
FROM depin.frames f
JOIN depin.anchors a USING (ordinal)
JOIN depin.batches b ON b.ordinal = f.ordinal AND b.position = f.batch
CROSS JOIN depin.network n
CROSS JOIN LATERAL depin.samples(f.frame, f.time_ms, f.clock_synchronised) s
LEFT JOIN depin.channels c ON c.channel = s.channel;

-- All readings of one device, proven, of frames that begin in [since, until).
CREATE FUNCTION depin.readings_of(device text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
    RETURNS SETOF depin.readings LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT r.* FROM depin.readings r
    WHERE r.device_id = decode(readings_of.device, 'hex')
      AND r.time_ms >= CASE WHEN since = '-infinity' THEN 0 ELSE (extract(epoch FROM since) * 1000)::bigint END
      AND r.time_ms < CASE WHEN until = 'infinity' THEN 9223372036854775807 ELSE (extract(epoch FROM until) * 1000)::bigint END
    ORDER BY r.time_ms, r.sequence, r.sample
$$;

using System;
using System.IO;
using DePIN.Firmware.Board;
using DePIN.Firmware.Keep;
using DePIN.Firmware.Life;
using DePIN.Firmware.Publish;
using DePIN.Protocol;

namespace DePIN.Firmware.Update
{
    /// <summary>
    /// Updates over the air, on a thread of its own: judges what is offered, fetches it piece by piece into the slot that does not run,
    /// hashes what is on flash, marks it to be tried and restarts; after that start, confirms it when it is healthy for a while, or goes
    /// back. At most one request is open, every retry is bounded. It touches neither key nor ring. A power cut at any place loses at most
    /// the file that was being fetched.
    /// </summary>
    public sealed class Updater : ISideWork
    {
        public const int PollMs = 500;
        public const int AnswerMs = 10000;
        public const int AsksMax = 6;
        public const int RoundsMax = 4;
        public const int FlashFaultsMax = 3;
        public const int PauseMsMin = 60000;
        public const int PauseMsMax = 3600000;

        /// <summary>A new release has this many healthy periods to have one.</summary>
        public const int TryPeriods = 3;

        private const int FaultMs = 5000;
        private const int RestartMs = 3000;
        private const int ReportBytes = 32768;
        private const int Offers = 0;
        private const int Chunks = 1;
        private const int States = 0;
        private const int Gets = 1;

        private readonly IFlash _flash;
        private readonly NodeStatus _status;
        private readonly NodeHealth _health;
        private readonly ITimeSource _time;
        private readonly SideChannel _line;
        private readonly OfferJudge _judge;
        private readonly BackOff _backOff = new BackOff(PauseMsMin, PauseMsMax);
        private readonly SlotRecord _record;
        private readonly UpdateManifest _running;
        private readonly byte[] _runningHash;
        private readonly string _version;
        private readonly int _slot;
        private readonly int _healthyMs;
        private readonly long _startedMs;
        private readonly byte[] _request = new byte[UpdateGet.Bytes];

        private byte _state;
        private byte _error;
        private UpdateManifest _offer;
        private byte[] _offerBytes;
        private byte[] _offerHash;
        private byte[] _later;
        private readonly bool _sleeps;
        private bool _isTaking;
        private int _connections;
        private int _file;
        private int _at;
        private bool _asked;
        private long _askedMs;
        private int _asks;
        private int _rounds;
        private int _flashFaults;
        private long _resumeMs;
        private long _healthySinceMs = -1;
        private long _restartMs = -1;
        private uint _reportedBytes;

        /// <param name="settings">operator-key and update-healthy-s.</param>
        /// <param name="flash">Holds the slots.</param>
        /// <param name="slot">The slot that runs, <see cref="SlotFiles.None"/> without a loader.</param>
        /// <param name="idText">The device's id.</param>
        /// <param name="version">The version that runs.</param>
        /// <param name="store">Wakes the publisher.</param>
        /// <param name="status">Part of being healthy.</param>
        /// <param name="health">Part of being healthy.</param>
        /// <param name="time">Its clock.</param>
        public Updater(NodeSettings settings, IFlash flash, int slot, string idText, string version, FrameStore store, NodeStatus status, NodeHealth health, ITimeSource time)
        {
            _flash = flash;
            _slot = slot;
            _version = version;
            _status = status;
            _health = health;
            _time = time;
            _startedMs = time.UptimeMs();
            _sleeps = settings.DeepSleep;
            _healthyMs = settings.UpdateHealthySeconds * 1000;
            _line = new SideChannel(store, new string[] { Topics.UpdateManifest(idText), Topics.UpdateChunk(idText) },
                new string[] { Topics.UpdateState(idText), Topics.UpdateGet(idText) });
            _judge = settings.OperatorKey == null ? null : new OfferJudge(flash, settings.OperatorKey, settings.DriveBytes, settings.RingBytes);
            if (slot == SlotFiles.None)
            {
                _state = UpdateStates.Disabled;
                _error = UpdateErrors.NoLoader;
                return;
            }

            _record = SlotRecord.Open(flash);
            byte[] bytes = SlotFiles.ReadManifest(flash, slot);
            UpdateManifest running = new UpdateManifest();
            if (bytes != null && running.Read(bytes, 0, bytes.Length) == ManifestFault.None)
            {
                _running = running;
                _runningHash = SlotFiles.HashOf(bytes);
            }

            _state = _record.Candidate == slot ? UpdateStates.Trying : _record.State == UpdateStates.Staged || _record.State == UpdateStates.Trying ? UpdateStates.Idle : _record.State;
            _error = _state == UpdateStates.Idle ? UpdateErrors.None : _record.Error;
            if (_judge == null && _state != UpdateStates.Trying)
            {
                _state = UpdateStates.Disabled;
                _error = UpdateErrors.NoOperatorKey;
            }
        }

        /// <summary>What the publisher carries; null without an operator's key: then nothing is said about updates.</summary>
        public SideChannel Line
        {
            get { return _judge == null ? null : _line; }
        }

        /// <summary>Judges what fits; null without an operator's key.</summary>
        public OfferJudge Judge
        {
            get { return _judge; }
        }

        /// <summary>See <see cref="UpdateStates"/>.</summary>
        public byte State
        {
            get { return _state; }
        }

        /// <summary>See <see cref="UpdateErrors"/>.</summary>
        public byte Error
        {
            get { return _error; }
        }

        /// <summary>An offer is being looked at, or its release fetched, checked or about to be tried.</summary>
        public bool IsBusy
        {
            get
            {
                return _isTaking || _state == UpdateStates.Fetching || _state == UpdateStates.Verifying || _state == UpdateStates.Staged || (_judge != null && _line.HasReceived);
            }
        }

        /// <summary>Whether the slot that runs is on trial: each start counts then, so a node that sleeps stays awake until it is confirmed.</summary>
        public static bool IsOnTrial(IFlash flash, int slot)
        {
            return slot != SlotFiles.None && SlotRecord.Open(flash).Candidate == slot;
        }

        /// <summary>Runs until a stop is asked for; asks for one when a new release is to be tried, or is given up.</summary>
        public void Run(StopSignal stop)
        {
            while (!stop.IsRequested && (_judge != null || _state == UpdateStates.Trying))
            {
                try
                {
                    Step(stop);
                }
                catch (Exception e)
                {
                    NodeLog.Fault("update", e);
                    stop.Wait(FaultMs);
                }

                _line.WaitForMessage(PollMs);
            }
        }

        /// <summary>Does what is due. Waits for nothing; hashing a file and judging an offer take seconds on a board.</summary>
        public void Step(StopSignal stop)
        {
            long now = _time.UptimeMs();
            if (_line.Connections != _connections)
            {
                _connections = _line.Connections;
                _asked = false;
                _asks = 0;
                Report();
            }

            _isTaking = true; // before a message leaves the line: what it becomes takes seconds
            try
            {
                byte[] offer = _line.TakeReceived(Offers);
                byte[] chunk = _line.TakeReceived(Chunks);
                if (offer != null)
                {
                    TakeOffer(offer);
                }

                if (chunk != null)
                {
                    TakeChunk(chunk);
                }
            }
            finally
            {
                _isTaking = false;
            }

            switch (_state)
            {
                case UpdateStates.Trying: Try(now, stop); break;
                case UpdateStates.Fetching: Fetch(now); break;
                case UpdateStates.Verifying: Verify(); break;
                case UpdateStates.Staged: Restart(now, stop); break;
                case UpdateStates.Paused: Resume(now); break;
                default: break;
            }
        }

        private void TakeOffer(byte[] bytes)
        {
            if (_state == UpdateStates.Trying)
            {
                _later = bytes; // first see whether this one stays
                return;
            }

            if (_state == UpdateStates.Staged || _state == UpdateStates.Disabled)
            {
                return;
            }

            byte[] hash = bytes.Length == 0 ? null : SlotFiles.HashOf(bytes);
            if (hash != null && SlotFiles.Same(hash, _offerHash))
            {
                Report();
                return;
            }

            _offer = null;
            _offerBytes = null;
            _offerHash = hash;
            _asked = false;
            if (hash == null || SlotFiles.Same(hash, _runningHash))
            {
                if (hash == null || _state != UpdateStates.Confirmed)
                {
                    Set(UpdateStates.Idle, UpdateErrors.None);
                }

                return;
            }

            UpdateManifest offer = new UpdateManifest();
            if (SlotFiles.Same(hash, _record.RefusedHash))
            {
                offer.Read(bytes, 0, bytes.Length);
                _offer = offer;
                Set(_record.State == UpdateStates.RolledBack ? UpdateStates.RolledBack : UpdateStates.Refused, _record.Error);
                return;
            }

            byte error = _judge.Judge(bytes, offer, _running, _record.RefusedRelease, Target());
            _offer = error == UpdateErrors.Malformed ? null : offer;
            if (error != UpdateErrors.None)
            {
                Set(UpdateStates.Refused, error);
                return;
            }

            _offerBytes = bytes;
            _rounds = 0;
            _backOff.Reset();
            Begin();
        }

        // The slot gets the manifest first: what lies beside it then belongs to it. A slot that has it already is gone on with.
        private void Begin()
        {
            _flashFaults = 0;
            _asks = 0;
            _asked = false;
            try
            {
                if (!SlotFiles.Same(SlotFiles.ReadManifest(_flash, Target()), _offerBytes))
                {
                    SlotFiles.Clear(_flash, Target());
                    _flash.Write(SlotFiles.ManifestName(Target()), _offerBytes, 0, _offerBytes.Length);
                    if (!SlotFiles.Same(SlotFiles.ReadManifest(_flash, Target()), _offerBytes))
                    {
                        throw new IOException("flash did not keep the manifest");
                    }
                }

                Measure();
                _reportedBytes = Done();
                Set(UpdateStates.Fetching, UpdateErrors.None);
            }
            catch (IOException e)
            {
                NodeLog.Fault("update-flash", e);
                Pause(UpdateErrors.FlashFailed);
            }
        }

        // Finds the first file that is not complete. A length is only where to go on: the hash at the end says what is there.
        private void Measure()
        {
            for (_file = 0; _file < _offer.FileCount; _file++)
            {
                string name = SlotFiles.FileName(Target(), _offer.Names[_file]);
                int length = _flash.Length(name);
                int size = (int)_offer.Sizes[_file];
                if (length > size)
                {
                    _flash.Delete(name);
                    length = 0;
                }

                if (length < size)
                {
                    _at = length < 0 ? 0 : length;
                    return;
                }
            }

            _at = 0;
        }

        private void Fetch(long now)
        {
            if (_file >= _offer.FileCount)
            {
                Set(UpdateStates.Verifying, UpdateErrors.None);
                return;
            }

            if (!_health.IsConnected)
            {
                return;
            }

            if (_asked && now - _askedMs < AnswerMs)
            {
                return;
            }

            if (_asked && _asks >= AsksMax)
            {
                Pause(UpdateErrors.NoAnswer);
                return;
            }

            int left = (int)_offer.Sizes[_file] - _at;
            UpdateGet.Write(_offerHash, (byte)_file, (uint)_at, (ushort)(left < UpdateGet.CountMax ? left : UpdateGet.CountMax), _request, 0);
            byte[] message = new byte[UpdateGet.Bytes];
            Array.Copy(_request, 0, message, 0, UpdateGet.Bytes);
            _asked = true;
            _asks++;
            _askedMs = now;
            _line.Send(Gets, message);
        }

        private void TakeChunk(byte[] chunk)
        {
            if (_state != UpdateStates.Fetching || !_asked || !UpdateChunk.IsValid(chunk, 0, chunk.Length) || !UpdateChunk.Answers(chunk, 0, _request, 0))
            {
                return; // late, double, or somebody else's
            }

            _asked = false;
            _asks = 0;
            int count = UpdateGet.Count(chunk, 0);
            string name = SlotFiles.FileName(Target(), _offer.Names[_file]);
            try
            {
                if (_at == 0)
                {
                    _flash.Write(name, chunk, UpdateChunk.HeaderBytes, count);
                }
                else
                {
                    _flash.Append(name, chunk, UpdateChunk.HeaderBytes, count);
                }

                if (_flash.Length(name) != _at + count)
                {
                    throw new IOException("flash did not keep a piece of " + name);
                }

                _flashFaults = 0;
                _at += count;
                if (_at == (int)_offer.Sizes[_file])
                {
                    Measure();
                }
            }
            catch (IOException e)
            {
                NodeLog.Fault("update-flash", e);
                _flashFaults++;
                if (_flashFaults >= FlashFaultsMax)
                {
                    Pause(UpdateErrors.FlashFailed);
                    return;
                }

                Measure();
            }

            if (_state == UpdateStates.Fetching && Done() - _reportedBytes >= ReportBytes)
            {
                _reportedBytes = Done();
                Report();
            }
        }

        private void Verify()
        {
            for (int i = 0; i < _offer.FileCount; i++)
            {
                if (!SlotFiles.Matches(_flash, Target(), _offer, i))
                {
                    NodeLog.Event("update-file", "file=" + _offer.Names[i] + " message=not what the manifest says: it is fetched again");
                    _flash.Delete(SlotFiles.FileName(Target(), _offer.Names[i]));
                    _rounds++;
                }
            }

            Measure();
            if (_file < _offer.FileCount)
            {
                if (_rounds >= RoundsMax)
                {
                    _record.Refuse(_offerHash, _offer.Release, UpdateErrors.BadHash);
                    SlotFiles.Clear(_flash, Target());
                    Set(UpdateStates.Refused, UpdateErrors.BadHash);
                    return;
                }

                _reportedBytes = Done();
                Set(UpdateStates.Fetching, UpdateErrors.None);
                return;
            }

            _record.Stage(Target(), _offerHash, TrySeconds());
            Set(UpdateStates.Staged, UpdateErrors.None);
            _restartMs = _time.UptimeMs() + RestartMs;
        }

        // The state goes out first, if the gateway is there.
        private void Restart(long now, StopSignal stop)
        {
            if (_line.IsSent || now >= _restartMs)
            {
                NodeLog.Event("update-restart", "slot=" + SlotFiles.Letter(Target()) + " release=" + _offer.Release.ToString());
                stop.Request();
            }
        }

        private void Try(long now, StopSignal stop)
        {
            if (_restartMs >= 0)
            {
                return;
            }

            bool healthy = _status.State == BoardState.Running && _health.IsConnected && _health.HasAcknowledged;
            if (!healthy)
            {
                _healthySinceMs = -1;
            }
            else if (_healthySinceMs < 0)
            {
                _healthySinceMs = now;
            }

            if (healthy && now - _healthySinceMs >= _healthyMs)
            {
                byte[] hash = _record.CandidateHash;
                _record.Activate(_slot, hash, UpdateStates.Confirmed);
                Set(_judge == null ? UpdateStates.Disabled : UpdateStates.Confirmed, _judge == null ? UpdateErrors.NoOperatorKey : UpdateErrors.None);
                if (_sleeps)
                {
                    stop.Request(); // it stayed awake for the trial: from the next start on it sleeps, and hears offers then
                }
                else if (_later != null)
                {
                    byte[] later = _later;
                    _later = null;
                    TakeOffer(later);
                }
            }
            else if (now - _startedMs >= (long)_healthyMs * TryPeriods)
            {
                _record.RollBack(_running == null ? 0 : _running.Release, UpdateErrors.NotHealthy);
                Set(UpdateStates.RolledBack, UpdateErrors.NotHealthy);
                _restartMs = now;
                stop.Request();
            }
        }

        private void Pause(byte error)
        {
            _asked = false;
            _resumeMs = _time.UptimeMs() + _backOff.Next();
            Set(UpdateStates.Paused, error);
        }

        private void Resume(long now)
        {
            if (now >= _resumeMs)
            {
                Begin();
            }
        }

        private int Target()
        {
            return 1 - _slot;
        }

        // The loader's own limit, for a release whose updater does not even run: one period more than that one takes.
        private int TrySeconds()
        {
            return (_healthyMs / 1000) * (TryPeriods + 1);
        }

        private uint Done()
        {
            if (_offer == null || _offerBytes == null)
            {
                return 0;
            }

            uint done = (uint)_at;
            for (int i = 0; i < _file && i < _offer.FileCount; i++)
            {
                done += _offer.Sizes[i];
            }

            return done;
        }

        private void Set(byte state, byte error)
        {
            _state = state;
            _error = error;
            NodeLog.Event("update", "state=" + UpdateStates.Name(state) + " error=" + UpdateErrors.Name(error) + " running=" + RunningRelease().ToString()
                + " offered=" + OfferedRelease().ToString() + " done=" + Done().ToString());
            Report();
        }

        private uint RunningRelease()
        {
            return _running == null ? 0 : _running.Release;
        }

        private uint OfferedRelease()
        {
            return _offer != null ? _offer.Release : _record == null || _offerHash != null ? 0 : _record.RefusedRelease;
        }

        private void Report()
        {
            byte[] buffer = new byte[UpdateState.BytesMax];
            byte[] hash = _offerHash != null ? _offerHash : _record == null || _record.RefusedRelease == 0 ? null : _record.RefusedHash;
            int count = UpdateState.Write(RunningRelease(), OfferedRelease(), hash, _state, _error, Done(), _offer == null || _offerBytes == null ? 0 : _offer.TotalBytes, _version, buffer, 0);
            count = UpdateState.WriteBoard(BoardPins.BoardName, buffer, 0, count);
            byte[] message = new byte[count];
            Array.Copy(buffer, 0, message, 0, count);
            _line.Send(States, message);
        }
    }
}

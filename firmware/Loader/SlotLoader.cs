using System;
using System.Reflection;
using System.Threading;
using DePIN.Firmware.Board;
using DePIN.Firmware.Update;
using DePIN.Protocol;

namespace DePIN.Loader
{
    /// <summary>
    /// Starts the application of one slot and, when it was only being tried and does not stay, goes back to the other. A candidate's start
    /// is counted on flash before it is made, so whatever it does, it is made a bounded number of times. Every file is hashed in memory
    /// and those very bytes are loaded. One slot a boot: nanoFramework cannot unload, so another slot is for the next boot.
    /// Signatures are not verified here: the node does that before it stages a slot, and who writes this flash has the board.
    /// </summary>
    public sealed class SlotLoader
    {
        /// <summary>What the application must have, in its last file.</summary>
        public const string EntryType = "DePIN.Firmware.Program";
        public const string EntryMethod = "StartFromSlot";

        /// <summary>A try that has no limit in the record (it was damaged) ends after this.</summary>
        public const int TrySecondsDefault = 3600;

        private const int EndMs = 30000;
        private const int PollMs = 200;

        private readonly IFlash _flash;
        private readonly string _flashRoot;
        private readonly ManualResetEvent _stop;
        private Exception _failure;

        /// <param name="flash">Holds slots and record.</param>
        /// <param name="flashRoot">Told to the application.</param>
        /// <param name="stop">Told to the application; set when it must end.</param>
        public SlotLoader(IFlash flash, string flashRoot, ManualResetEvent stop)
        {
            _flash = flash;
            _flashRoot = flashRoot;
            _stop = stop;
        }

        /// <summary>Starts a slot and returns when its application has ended, or when it will not: then the board restarts. False: there is no good slot.</summary>
        public bool Run()
        {
            SlotRecord record = SlotRecord.Open(_flash);
            if (record.Candidate != SlotFiles.None && record.TriesLeft == 0)
            {
                record.RollBack(ReleaseOf(record.Candidate), UpdateErrors.DidNotStay);
                Tell("rolled-back", record.Active, "it did not stay");
            }

            return record.Candidate != SlotFiles.None ? RunCandidate(record) : RunActive(record);
        }

        private bool RunCandidate(SlotRecord record)
        {
            int slot = record.Candidate;
            record.CountTry();
            MethodInfo entry = Load(slot, record.CandidateHash);
            if (entry is null)
            {
                record.RollBack(ReleaseOf(slot), UpdateErrors.DidNotLoad);
                Tell("rolled-back", slot, "it did not load");
                return true;
            }

            int seconds = record.TrySeconds == 0 ? TrySecondsDefault : record.TrySeconds;
            Tell("trying", slot, "tries left " + record.TriesLeft.ToString());
            Thread application = new Thread(() => Start(entry, slot));
            application.Start();
            long endsMs = Environment.TickCount64 + ((long)seconds * 1000);
            while (!application.Join(PollMs))
            {
                if (Environment.TickCount64 < endsMs)
                {
                    continue;
                }

                // Still a candidate? Read again: the application confirms itself in the record.
                if (SlotRecord.Open(_flash).Candidate != slot)
                {
                    application.Join();
                    break;
                }

                _stop.Set();
                application.Join(EndMs);
                record = SlotRecord.Open(_flash);
                if (record.Candidate == slot)
                {
                    record.RollBack(ReleaseOf(slot), UpdateErrors.NotHealthy);
                    Tell("rolled-back", slot, "it did not become healthy");
                }

                return true;
            }

            Explain(slot);
            return true;
        }

        private bool RunActive(SlotRecord record)
        {
            int slot = record.Active;
            MethodInfo entry = slot == SlotFiles.None ? null : Load(slot, record.ActiveHash);
            if (entry is null)
            {
                return ChooseAnother(record);
            }

            Tell("start", slot, "release " + ReleaseOf(slot).ToString());
            Start(entry, slot);
            Explain(slot);
            return true;
        }

        // For the next boot. A manifest that failed is not gone back to, so this ends.
        private bool ChooseAnother(SlotRecord record)
        {
            for (int slot = 0; slot < 2; slot++)
            {
                byte[] hash = slot == record.Active ? null : GoodHash(slot);
                if (hash == null || SlotFiles.Same(hash, record.RefusedHash))
                {
                    continue;
                }

                if (record.Active == SlotFiles.None)
                {
                    record.Activate(slot, hash, UpdateStates.Idle);
                }
                else
                {
                    record.Abandon(ReleaseOf(record.Active), slot, hash);
                }

                Tell("chosen", slot, "it is started from the next boot on");
                return true;
            }

            Tell("no-slot", record.Active, "no slot holds an application that loads: write one over the cable");
            return false;
        }

        // SHA-256 of the slot's manifest when all its files are what it says, else null.
        private byte[] GoodHash(int slot)
        {
            byte[] bytes = SlotFiles.ReadManifest(_flash, slot);
            UpdateManifest manifest = new UpdateManifest();
            if (bytes == null || manifest.Read(bytes, 0, bytes.Length) != ManifestFault.None)
            {
                return null;
            }

            for (int i = 0; i < manifest.FileCount; i++)
            {
                if (!SlotFiles.Matches(_flash, slot, manifest, i))
                {
                    return null;
                }
            }

            return SlotFiles.HashOf(bytes);
        }

        private void Start(MethodInfo entry, int slot)
        {
            try
            {
                entry.Invoke(null, new object[] { SlotFiles.Letter(slot), _flashRoot, _stop });
            }
            catch (Exception e)
            {
                _failure = e;
            }
        }

        private void Explain(int slot)
        {
            if (_failure != null)
            {
                NodeLog.Fault("slot-" + SlotFiles.Letter(slot), _failure.InnerException != null ? _failure.InnerException : _failure);
            }
        }

        // The application's entry, null when the slot is not what its manifest says or does not load.
        private MethodInfo Load(int slot, byte[] manifestHash)
        {
            byte[] bytes = SlotFiles.ReadManifest(_flash, slot);
            UpdateManifest manifest = new UpdateManifest();
            if (bytes == null || manifest.Read(bytes, 0, bytes.Length) != ManifestFault.None || !SlotFiles.Same(SlotFiles.HashOf(bytes), manifestHash))
            {
                return null;
            }

            try
            {
                Assembly application = null;
                for (int i = 0; i < manifest.FileCount; i++)
                {
                    application = LoadFile(slot, manifest, i);
                    if (application is null)
                    {
                        return null;
                    }
                }

                Type type = application.GetType(EntryType);
                return type is null ? null : type.GetMethod(EntryMethod);
            }
            catch (Exception e)
            {
                NodeLog.Fault("load-" + SlotFiles.Letter(slot), e);
                return null;
            }
        }

        private Assembly LoadFile(int slot, UpdateManifest manifest, int file)
        {
            string name = SlotFiles.FileName(slot, manifest.Names[file]);
            byte[] image = new byte[(int)manifest.Sizes[file]];
            int count = _flash.Read(name, 0, image, 0, image.Length);
            return count == image.Length && SlotFiles.Same(SlotFiles.HashOf(image), manifest.Hashes[file]) ? Assembly.Load(image) : null;
        }

        private uint ReleaseOf(int slot)
        {
            byte[] bytes = slot == SlotFiles.None ? null : SlotFiles.ReadManifest(_flash, slot);
            UpdateManifest manifest = new UpdateManifest();
            return bytes != null && manifest.Read(bytes, 0, bytes.Length) == ManifestFault.None ? manifest.Release : 0;
        }

        private static void Tell(string what, int slot, string message)
        {
            NodeLog.Event("loader", "what=" + what + " slot=" + (slot == SlotFiles.None ? "none" : SlotFiles.Letter(slot)) + " message=" + message);
        }
    }
}

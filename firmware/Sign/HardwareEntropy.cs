using System;
using System.Security.Cryptography;
using DePIN.Firmware.Board;
using DePIN.Firmware.Publish;
using DePIN.Protocol;

namespace DePIN.Firmware.Sign
{
    /// <summary>
    /// Key material from the chip's generator. System.Random on ESP32 is that generator, true entropy only while the radio is on, so
    /// without a radio nothing is given out; Guid.NewGuid draws from it too, and on a computer from the operating system. Sixteen
    /// draws of both are folded with HMAC-SHA256, so that a weak moment of one source does not make a weak key. A generator that
    /// gives one block twice is stuck (NIST SP 800-90B, section 4.4.1, with a cutoff of one repetition of 256 bits).
    /// </summary>
    public sealed class HardwareEntropy : IRandomSource
    {
        private const int Draws = 16;

        private readonly Random _random;
        private readonly ITimeSource _time;
        private readonly Network _network;
        private readonly byte[] _last = new byte[32];
        private byte[] _pool = new byte[32];

        public HardwareEntropy(ITimeSource time, Network network)
            : this(time, network, new Random())
        {
        }

        /// <summary>With another generator, to see what a broken one does.</summary>
        public HardwareEntropy(ITimeSource time, Network network, Random random)
        {
            _random = random;
            _time = time;
            _network = network;
        }

        /// <summary>Fills the range. Throws SignerException when the radio is off or the generator is stuck.</summary>
        public void Fill(byte[] buffer, int offset, int count)
        {
            if (!_network.HasRadio())
            {
                throw new SignerException("the radio is off, and without it the chip has no true random numbers: give the board a Wi-Fi configuration");
            }

            int done = 0;
            while (done < count)
            {
                Stir();
                int take = count - done < 32 ? count - done : 32;

                // What is given out is not the pool: from one block of output the next cannot be computed.
                byte[] block = Mac(_pool, new byte[] { 1 });
                Array.Copy(block, 0, buffer, offset + done, take);
                done += take;
            }
        }

        private void Stir()
        {
            byte[] draw = new byte[56];
            for (int i = 0; i < Draws; i++)
            {
                byte[] random = new byte[32];
                _random.NextBytes(random);
                CheckAlive(random);
                Array.Copy(random, 0, draw, 0, 32);
                Array.Copy(Guid.NewGuid().ToByteArray(), 0, draw, 32, 16);
                BigEndian.WriteUInt64(draw, 48, (ulong)_time.UptimeMs());
                _pool = Mac(_pool, draw);
            }
        }

        private void CheckAlive(byte[] random)
        {
            uint changed = 0;
            for (int i = 0; i < random.Length; i++)
            {
                changed |= (uint)(random[i] ^ _last[i]);
                _last[i] = random[i];
            }

            if (changed == 0)
            {
                throw new SignerException("the chip's random generator is stuck: do not use this board");
            }
        }

        private static byte[] Mac(byte[] key, byte[] data)
        {
            using (HMACSHA256 mac = new HMACSHA256(key))
            {
                return mac.ComputeHash(data);
            }
        }
    }
}

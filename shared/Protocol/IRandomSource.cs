// Where key material comes from: the chip's hardware generator on a board, the system's on a computer, a seed in tests.

namespace DePIN.Protocol
{
    public interface IRandomSource
    {
        /// <summary>Fills the range with bytes nobody can guess.</summary>
        void Fill(byte[] buffer, int offset, int count);
    }
}

// The one place that calls the platform's HMAC-SHA256: native in nanoFramework (nanoFramework.System.Security.Cryptography) and in .NET.

using System.Security.Cryptography;

namespace DePIN.Protocol
{
    internal static class HmacSha256
    {
        public static byte[] Compute(byte[] key, byte[] source)
        {
            return HMACSHA256.HashData(key, source);
        }
    }
}

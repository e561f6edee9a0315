using System.Text;
using DePIN.Protocol;

namespace DePIN.Provision;

/// <summary>Who a board says it is: shared/Protocol/SerialIdentity.cs.</summary>
public sealed record BoardIdentity(byte KeyKind, byte[] PublicKey, string DeviceId, byte State, string Firmware, string Board)
{
    /// <summary>Null when sizes do not agree or the device id is not that of the public key.</summary>
    public static BoardIdentity? TryParse(byte[] data)
    {
        ArgumentNullException.ThrowIfNull(data);
        if (!SerialIdentity.IsValid(data, 0, data.Length))
        {
            return null;
        }

        byte[] key = data[SerialIdentity.PublicKeyOffset..(SerialIdentity.PublicKeyOffset + Protocol.DeviceId.PublicKeyBytes)];
        int firmware = SerialIdentity.FirmwareTextOffset(0);
        int board = SerialIdentity.BoardTextOffset(data, 0);
        return new BoardIdentity(
            SerialIdentity.KeyKind(data, 0), key, Protocol.DeviceId.ToText(data, SerialIdentity.DeviceIdOffset), SerialIdentity.State(data, 0),
            Encoding.UTF8.GetString(data, firmware, SerialIdentity.FirmwareBytes(data, 0)), Encoding.UTF8.GetString(data, board, SerialIdentity.BoardBytes(data, 0)));
    }
}

// What an ATECC608B keeps without power: 128 configuration bytes and the private keys of its slots. In memory, or in a file that is
// replaced as a whole, readable by its owner alone: it stands for silicon that nobody can open.

using System.Security.Cryptography;
using System.Text.Json;

namespace DePIN.VirtualBoard.Hardware.Atecc608;

/// <summary>One chip's EEPROM.</summary>
public sealed class Atecc608Memory
{
    public const int ConfigBytes = 128;
    public const int Slots = 16;

    // Like a chip as it is shipped: three slots for private keys that GenKey may fill, the rest for secrets and data.
    private static readonly ushort[] FactorySlotConfig =
        [0x2083, 0x2087, 0x208F, 0x8FC4, 0x8F8F, 0x8F8F, 0x8F9F, 0x8FAF, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x8FAF];

    private static readonly ushort[] FactoryKeyConfig =
        [0x0033, 0x0033, 0x0033, 0x001C, 0x001C, 0x001C, 0x001C, 0x001C, 0x003C, 0x003C, 0x003C, 0x003C, 0x003C, 0x003C, 0x003C, 0x001C];

    private readonly string? _path;

    /// <summary>A blank chip.</summary>
    /// <param name="serial">Of the nine bytes of its serial number, the six that differ.</param>
    public Atecc608Memory(ReadOnlySpan<byte> serial)
    {
        Config[0] = 0x01;
        Config[1] = 0x23;
        serial[..2].CopyTo(Config.AsSpan(2));
        Config[6] = 0x60;
        Config[7] = 0x03;
        serial[2..6].CopyTo(Config.AsSpan(8));
        Config[12] = 0xEE;
        Config[13] = 0x01;
        Config[14] = 0x01;
        Config[16] = 0xC0;
        for (int slot = 0; slot < Slots; slot++)
        {
            SetSlot(slot, FactorySlotConfig[slot], FactoryKeyConfig[slot]);
        }

        Config.AsSpan(52, 4).Fill(0xFF);
        Config.AsSpan(60, 4).Fill(0xFF);
        Config[86] = 0x55;
        Config[87] = 0x55;
        Config[88] = 0xFF;
        Config[89] = 0xFF;
    }

    private Atecc608Memory(string path, byte[] config, byte[]?[] keys)
    {
        _path = path;
        config.CopyTo(Config, 0);
        keys.CopyTo(Keys, 0);
    }

    public byte[] Config { get; } = new byte[ConfigBytes];

    /// <summary>Private scalars, 32 bytes; null where GenKey never made one.</summary>
    public byte[]?[] Keys { get; } = new byte[]?[Slots];

    public bool IsConfigLocked => Config[87] != 0x55;

    public bool IsDataLocked => Config[86] != 0x55;

    /// <summary>A file's chip; a blank one with a serial number of its own where there is no file.</summary>
    /// <exception cref="InvalidDataException">The file is not a chip's.</exception>
    public static Atecc608Memory OpenFile(string path)
    {
        if (!File.Exists(path))
        {
            Atecc608Memory blank = new(RandomNumberGenerator.GetBytes(6));
            Atecc608Memory made = new(path, blank.Config, blank.Keys);
            made.Save();
            return made;
        }

        try
        {
            Silicon? silicon = JsonSerializer.Deserialize<Silicon>(File.ReadAllText(path));
            if (silicon is { Config.Length: ConfigBytes, Keys.Length: Slots })
            {
                return new Atecc608Memory(path, silicon.Config, silicon.Keys);
            }
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path} is not a simulated chip: delete it to put a blank one onto the board", e);
        }

        throw new InvalidDataException($"{path} is not a simulated chip: delete it to put a blank one onto the board");
    }

    public ushort SlotConfig(int slot) => (ushort)(Config[20 + (2 * slot)] | (Config[21 + (2 * slot)] << 8));

    public ushort KeyConfig(int slot) => (ushort)(Config[96 + (2 * slot)] | (Config[97 + (2 * slot)] << 8));

    public bool IsSlotLocked(int slot) => (Config[88 + (slot / 8)] & (1 << (slot % 8))) == 0;

    /// <summary>Sets a slot's two configuration words, as a maker of chips does.</summary>
    public void SetSlot(int slot, ushort slotConfig, ushort keyConfig)
    {
        Config[20 + (2 * slot)] = (byte)slotConfig;
        Config[21 + (2 * slot)] = (byte)(slotConfig >> 8);
        Config[96 + (2 * slot)] = (byte)keyConfig;
        Config[97 + (2 * slot)] = (byte)(keyConfig >> 8);
    }

    /// <summary>Locks zones, as a maker of chips does.</summary>
    public void Lock(bool config, bool data)
    {
        Config[87] = (byte)(config ? 0 : Config[87]);
        Config[86] = (byte)(data ? 0 : Config[86]);
    }

    internal void Save()
    {
        if (_path is null)
        {
            return;
        }

        string next = _path + ".new";
        FileStreamOptions options = new() { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (FileStream file = new(next, options))
        {
            JsonSerializer.Serialize(file, new Silicon(Config, Keys));
            file.Flush(flushToDisk: true);
        }

        File.Move(next, _path, overwrite: true);
    }

    private sealed record Silicon(byte[] Config, byte[]?[] Keys);
}

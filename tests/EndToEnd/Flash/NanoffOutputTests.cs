using DePIN.Cli.Flash;

namespace DePIN.EndToEnd.Tests.Flash;

/// <summary>What nanoff prints, in nanoFirmwareFlasher 2.5's own words, read in pieces of any size.</summary>
public sealed class NanoffOutputTests
{
    private const string Written =
        "Flashing deployment partition...Compressed 95132 bytes to 41020...\n\rWriting at 0x001E0000 [>              ]   0.0% 0/41020 bytes...   " +
        "\rWriting at 0x001EA000 [=======>       ]  49.9% 20480/41020 bytes...   \rWriting at 0x001F7000 [===============] 100.0% 41020/41020 bytes...\r      \r" +
        "Wrote 95132 bytes (41020 compressed) at 0x001E0000 in 1.2 seconds (273.5 kbit/s).\nVerifying written data...\nHash of data verified.\n\r      \rFlash write complete.\nOK\n";

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(100_000)]
    public void Progress_and_the_end_are_seen_however_the_text_is_cut(int piece)
    {
        List<double> percents = [];
        NanoffOutput output = Read(Written, piece, percents.Add);
        Assert.Multiple(() =>
        {
            Assert.That(percents, Is.EqualTo(new[] { 0, 49.9, 100 }));
            Assert.That(output.IsWritten, Is.True);
            Assert.That(output.Error, Is.Null);
            Assert.That(output.Tail, Does.EndWith("Flash write complete. / OK"));
        });
    }

    [Test]
    public void A_failed_verification_that_a_second_write_mends_is_none()
    {
        Assert.Multiple(() =>
        {
            Assert.That(Read("MD5 of file does not match data in flash.\n").IsVerifyFailed, Is.True);
            Assert.That(Read("MD5 of file does not match data in flash.\nLost connection, retrying...\n" + Written).IsVerifyFailed, Is.False);
        });
    }

    [TestCase("Error E4003: Failed to write new firmware to ESP32.\n", "E4003")]
    [TestCase("E9005\n", "E9005")]
    [TestCase("E9005", "E9005")]
    [TestCase("Error E4000: Error executing ESP32 serial command. (E is no code)\n", "E4000")]
    [TestCase("the E4003 of another sentence\n", null)]
    [TestCase("Error deploying\n", null)]
    public void Its_own_error_codes_are_found(string text, string? code) => Assert.That(Read(text).Error, Is.EqualTo(code));

    [Test]
    public void Garbage_is_taken_and_kept_small()
    {
        Random random = new(5);
        char[] noise = new char[300_000];
        for (int at = 0; at < noise.Length; at++)
        {
            noise[at] = (char)random.Next(at % 3 == 0 ? 0x10000 : 128);
        }

        NanoffOutput output = Read(new string(noise), 4096);
        Assert.Multiple(() =>
        {
            Assert.That(output.IsWritten, Is.False);
            Assert.That(output.Tail, Has.Length.LessThan(2000));
        });
    }

    private static NanoffOutput Read(string text, int piece = 64, Action<double>? progress = null)
    {
        NanoffOutput output = new();
        for (int at = 0; at < text.Length; at += piece)
        {
            output.Take(text.AsSpan(at, Math.Min(piece, text.Length - at)), progress);
        }

        output.End(progress);
        return output;
    }
}

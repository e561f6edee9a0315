using System.Globalization;

namespace DePIN.Gateway.RaspberryPi;

/// <summary>The command line; pins are BCM numbers.</summary>
internal sealed record PiOptions
{
    public const string Usage = """
        depin-pi: LED, button, display and BME280 of a Raspberry Pi beside its gateway.
          --data DIR          the Pi's own device key and its place in the chain (depin-pi-data)
          --gateway URL       the gateway (http://127.0.0.1:8080)
          --mqtt HOST:PORT    its MQTT listener (127.0.0.1:1883)
          --interval S        seconds between readings, 1 to 86400 (60)
          --led, --button N   BCM numbers of the pins (17, 27)
          --bus N             I2C bus (1)
          --sensor 76|77      BME280's address, hex (76)
          --shutdown          a press of 5 s shuts the Pi down (systemctl poweroff)
          claim CHAIN REGISTRY OWNER   prints the claim for 'depin provision register' and ends
        """;

    public string Data { get; init; } = "depin-pi-data";

    public Uri Gateway { get; init; } = new("http://127.0.0.1:8080");

    public string MqttHost { get; init; } = "127.0.0.1";

    public int MqttPort { get; init; } = 1883;

    public int IntervalS { get; init; } = 60;

    public int LedPin { get; init; } = 17;

    public int ButtonPin { get; init; } = 27;

    public int I2cBus { get; init; } = 1;

    public int SensorAddress { get; init; } = 0x76;

    public bool Shutdown { get; init; }

    /// <summary>Chain id, registry, owner; null runs the panel.</summary>
    public (ulong ChainId, string Registry, string Owner)? Claim { get; init; }

    /// <summary>Null when it is no command line.</summary>
    public static PiOptions? Parse(string[] args)
    {
        PiOptions options = new();
        for (int i = 0; i < args.Length; i++)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            if (args[i] == "claim" && i + 3 < args.Length && ulong.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong chain))
            {
                options = options with { Claim = (chain, args[i + 2], args[i + 3]) };
                i += 3;
                continue;
            }

            if (args[i] == "--shutdown")
            {
                options = options with { Shutdown = true };
                continue;
            }

            PiOptions? next = (args[i], value) switch
            {
                (_, null) => null,
                ("--data", _) => options with { Data = value },
                ("--gateway", _) when Uri.TryCreate(value, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https" => options with { Gateway = uri },
                ("--mqtt", _) when value.LastIndexOf(':') is > 0 and var colon && Number(value[(colon + 1)..], 1, 65_535) is { } port => options with { MqttHost = value[..colon], MqttPort = port },
                ("--interval", _) when Number(value, 1, 86_400) is { } seconds => options with { IntervalS = seconds },
                ("--led", _) when Number(value, 0, 27) is { } pin => options with { LedPin = pin },
                ("--button", _) when Number(value, 0, 27) is { } pin => options with { ButtonPin = pin },
                ("--bus", _) when Number(value, 0, 22) is { } bus => options with { I2cBus = bus },
                ("--sensor", "76") => options with { SensorAddress = 0x76 },
                ("--sensor", "77") => options with { SensorAddress = 0x77 },
                _ => null,
            };
            if (next is null) return null;
            options = next;
            i++;
        }

        return options;
    }

    private static int? Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most ? value : null;
}

namespace DePIN.Boards.Energy;

/// <summary>How a node is used.</summary>
/// <param name="IntervalSeconds">Between two rounds of measurements.</param>
/// <param name="RoundsPerFrame">Rounds in a frame: one signature for all of them.</param>
/// <param name="FramesPerConnection">Frames that are sent together.</param>
/// <param name="Sleeps">Deep sleep between rounds; else always on.</param>
/// <param name="HasElement">A secure element signs.</param>
/// <param name="ModuleAlone">Not the board as it is sold, but its module behind a regulator for batteries.</param>
/// <param name="Tls">Whether a connection has a TLS handshake.</param>
public sealed record EnergyUse(int IntervalSeconds = 600, int RoundsPerFrame = 6, int FramesPerConnection = 1, bool Sleeps = true, bool HasElement = false, bool ModuleAlone = false, bool Tls = true);

/// <summary>mAh a day, by what it goes into.</summary>
public sealed record EnergyBudget(double Asleep, double Starts, double Sensing, double Signing, double Sending, double Flash, double Idle, double CellMilliampHours, double LossPerDay)
{
    private const double MsPerHour = 3_600_000;
    private const double DaysPerMonth = 30;
    private const int ClockSeconds = 1_800;

    public double MilliampHoursPerDay => Asleep + Starts + Sensing + Signing + Sending + Flash + Idle;

    /// <summary>Days until the usable part of the cell is gone, its own losses counted.</summary>
    public double Days => CellMilliampHours / (MilliampHoursPerDay + LossPerDay);

    /// <exception cref="ArgumentException">A profile or a board that the data does not have.</exception>
    public static EnergyBudget Of(EnergyData data, Board board, string profile, EnergyUse use)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(board);
        ArgumentNullException.ThrowIfNull(use);
        FirmwareData firmware = data.Firmware;
        ChipCurrents chip = data.Chips.First(row => row.Chip == board.Chip.Name);
        ProfileSensors sensed = data.Profiles.FirstOrDefault(row => row.Profile == profile)
            ?? throw new ArgumentException($"there is no profile {profile} in {EnergyData.FileName}: there are {string.Join(", ", data.Profiles.Select(row => row.Profile))}");
        SensorCurrents[] sensors = [.. sensed.Sensors.Select(name => data.Sensors.First(row => row.Sensor == name))];
        int samplesPerRound = sensors.Sum(sensor => sensor.Samples);
        double rounds = 86_400d / use.IntervalSeconds;
        double frames = rounds / RoundsPerFrame(use, samplesPerRound);
        double connections = Connections(use, rounds, frames);

        // What the chip takes while it computes: with the radio listening, if the runtime turned it on.
        double awakeUa = !use.Sleeps || firmware.RadioFromStart ? Math.Max(chip.ReceiveUa, chip.CpuUa) : chip.CpuUa;
        double networkUa = Mix(chip.ReceiveUa, chip.TransmitUa, firmware.TransmitPercent);
        double always = (use.ModuleAlone ? data.ModuleQuiescentUa : data.Boards.First(row => row.Board == board.Name).QuiescentUa)
            + (board.Battery is null ? 0 : data.DividerUa) + sensors.Sum(sensor => sensor.IdleUa);
        double readMs = sensors.Sum(sensor => sensor.ActiveMs);
        double readUaMs = sensors.Sum(sensor => (double)sensor.ActiveMs * Math.Max(0, sensor.ActiveUa - sensor.IdleUa));
        double ilMs = 1_000d / firmware.IlPerSecond;
        double signMs = SignIl(firmware, use, samplesPerRound) * ilMs;
        double elementUaMs = use.HasElement ? (double)firmware.ElementSignMs * firmware.ElementSignUa : 0;
        signMs += use.HasElement ? firmware.ElementSignMs : 0;
        double connectMs = use.Sleeps ? firmware.JoinMs + (use.Tls ? firmware.TlsMs : 0) : 0;
        double sendMs = (connections * connectMs) + (frames * firmware.FrameMs);
        double flashMs = FlashWrites(use, rounds, frames) * firmware.FlashMs;

        double startMs = use.Sleeps ? rounds * (firmware.StartMs + (firmware.IlPerStart * ilMs)) : 0;
        double senseMs = rounds * (readMs + (samplesPerRound * firmware.IlPerSample * ilMs));
        double awakeMs = startMs + senseMs + (frames * signMs) + sendMs + flashMs;
        double dayMs = 86_400_000;
        double restMs = Math.Max(0, dayMs - awakeMs);
        double light = data.LedUa / 2d; // it flashes, or is on while all is well: half of the time awake

        // Always on: Wi-Fi's power saving lets the radio sleep between beacons; the interpreter does not let the CPU sleep.
        double restUa = use.Sleeps ? chip.DeepSleepUa : chip.CpuUa + light;
        return new EnergyBudget(
            Asleep: use.Sleeps ? Mah((restUa * restMs) + (always * dayMs)) : 0,
            Starts: Mah(startMs * (awakeUa + light)),
            Sensing: Mah((senseMs * (awakeUa + light)) + (rounds * readUaMs)),
            Signing: Mah((frames * signMs * (awakeUa + light)) + (frames * elementUaMs)),
            Sending: Mah(sendMs * (networkUa + light)),
            Flash: Mah(flashMs * (awakeUa + light)),
            Idle: use.Sleeps ? 0 : Mah((restUa * restMs) + (always * dayMs)),
            CellMilliampHours: data.Cell.MilliampHours * data.Cell.UsablePercent / 100d,
            LossPerDay: data.Cell.MilliampHours * data.Cell.LossPercentPerMonth / 100d / DaysPerMonth);
    }

    /// <summary>Appends to flash a day: a sleeping node one a round and one a frame, an always-on one one a frame; health frame and time hourly.</summary>
    public static double FlashWritesPerDay(EnergyData data, string profile, EnergyUse use)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(use);
        int samples = data.Profiles.First(row => row.Profile == profile).Sensors.Sum(name => data.Sensors.First(row => row.Sensor == name).Samples);
        double rounds = 86_400d / use.IntervalSeconds;
        return FlashWrites(use, rounds, rounds / RoundsPerFrame(use, samples));
    }

    private static double FlashWrites(EnergyUse use, double rounds, double frames) => (use.Sleeps ? rounds : 0) + frames + (use.HasElement ? frames : 0) + 48;

    // Connections for frames, and for the time: NodeClock.NeedsTime after 30 minutes of sleep. No more than one a wake-up.
    private static double Connections(EnergyUse use, double rounds, double frames)
    {
        double forFrames = frames / use.FramesPerConnection;
        double forTime = 86_400d / (Math.Ceiling((double)ClockSeconds / use.IntervalSeconds) * use.IntervalSeconds);
        return use.Sleeps && forTime > forFrames ? Math.Min(rounds, forFrames + forTime) : forFrames;
    }

    // A frame takes 64 samples.
    private static double RoundsPerFrame(EnergyUse use, int samplesPerRound) => Math.Max(1, Math.Min(use.RoundsPerFrame, 64 / Math.Max(1, samplesPerRound)));

    // The body is hashed twice: for the signature and as what the next frame names; 9 bytes of padding.
    private static double SignIl(FirmwareData firmware, EnergyUse use, int samplesPerRound)
    {
        double blocks = Math.Ceiling((80 + (16 * samplesPerRound * RoundsPerFrame(use, samplesPerRound)) + 9) / 64d);
        return (2 * blocks * firmware.IlPerHashBlock) + (use.HasElement ? 0 : firmware.IlPerSignature);
    }

    private static double Mix(double a, double b, int percentOfB) => ((a * (100 - percentOfB)) + (b * percentOfB)) / 100;

    private static double Mah(double microampMs) => microampMs / 1_000 / MsPerHour;
}

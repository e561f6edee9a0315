using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using DePIN.Cli.Serial;
using DePIN.Cli.Terminal;

namespace DePIN.Cli.Flash;

/// <summary>
/// Flashes a board in steps, each of which may be done again: port, runtime, image, files, running. nanoff writes; what it says of the
/// reset is not believed, the board is reset and its application must answer. A step that fails ends the run with its code and next action.
/// </summary>
public sealed class FlashRun(FlashSettings settings, FlashReport report, Func<IReadOnlyList<SerialPortInfo>> ports, TimeProvider time)
{
    /// <summary>Where nanoff's application goes in flash memory: without it nanoff takes the address of its own table, which is not every board's.</summary>
    private const string DeployPartition = "deploy";

    private readonly PortFinder finder = new(settings.Port, ports);

    public async Task<RunningApplication?> RunAsync(CancellationToken cancel)
    {
        string step = "check";
        try
        {
            CheckFiles();
            step = "port";
            await CheckPortAsync(cancel).ConfigureAwait(false);
            if (!settings.SkipRuntime)
            {
                step = "runtime";
                await FlashAsync(step, $"nanoFramework's {settings.Target} onto {settings.Board.Name}", RuntimeArguments(), cancel).ConfigureAwait(false);
            }

            if (settings.Image is { } image)
            {
                step = "image";
                await FlashAsync(step, $"{Path.GetFileName(image)} at {DeployAddress()}", ["--target", settings.Target, "--deploy", "--image", Path.GetFullPath(image), "--address", DeployAddress()], cancel).ConfigureAwait(false);
            }

            if (settings.Files is not null)
            {
                step = "files";
                await FilesAsync(cancel).ConfigureAwait(false);
            }

            step = "running";
            return settings.Image is null && !settings.SkipRuntime ? null : await RunningAsync(cancel).ConfigureAwait(false);
        }
        catch (SerialException fault)
        {
            report.Failed(step, fault.Code, fault.Message, fault.Remedy);
            throw fault.ToCliError();
        }
        catch (CliError error)
        {
            report.Failed(step, error.Code, error.Message, error.Remedy);
            throw;
        }
    }

    private void CheckFiles()
    {
        if (settings.Image is { } image)
        {
            long bytes = File.Exists(image) ? new FileInfo(image).Length : throw Input("flash.no-image", $"there is no image {image}", "build the firmware, or name its .bin");
            int room = settings.Board.Partitions.First(part => part.Name == DeployPartition).Bytes;
            if (bytes == 0 || bytes > room)
            {
                throw Input("flash.image-size", $"{image} has {bytes} bytes; the {DeployPartition} partition of {settings.Board.Name} has room for {room}", bytes == 0 ? "build the firmware again" : "build the firmware for this board, in Release");
            }
        }

        if (settings.Archive is { } archive && !Directory.Exists(archive))
        {
            throw Input("flash.no-archive", $"there is no archive folder {archive}", $"where there is internet run: nanoff --updatearchive --archivepath {archive} --target {settings.Target}");
        }

        if (settings.Files is not null)
        {
            _ = ReadFiles();
        }
    }

    private async Task CheckPortAsync(CancellationToken cancel)
    {
        report.Begin("port", settings.Port);
        string path = finder.TryFind() ?? throw UnixFaults.OnOpen(settings.Port, 2);
        SerialLine.Open(path, nativeUsb: IsNative(path)).Dispose(); // not in use, allowed, a serial port: said before anything is written
        if (settings.ProvisioningPort is { } other && other != settings.Port)
        {
            SerialLine.Open(other).Dispose();
        }

        cancel.ThrowIfCancellationRequested();
        report.Done("port", path == settings.Port ? path : $"{settings.Port} is {path}");
        await Task.CompletedTask.ConfigureAwait(false);
    }

    private string[] RuntimeArguments() =>
    [
        "--target", settings.Target, "--update", .. settings.Erase ? (string[])["--masserase"] : [],
        .. settings.Archive is { } archive ? (string[])["--fromarchive", "--archivepath", Path.GetFullPath(archive)] : [],
        "--verbosity", "minimal",
    ];

    private string DeployAddress() => string.Create(CultureInfo.InvariantCulture, $"0x{settings.Board.Partitions.First(part => part.Name == DeployPartition).Offset:X}");

    private async Task FlashAsync(string step, string what, string[] arguments, CancellationToken cancel)
    {
        report.Begin(step, what);
        (int code, NanoffOutput output) = await NanoffAsync(step, arguments, cancel).ConfigureAwait(false);
        if (output.Warning is { } warning)
        {
            report.Note(step, "flash.target-doubtful", warning);
        }

        if (output.IsVerifyFailed)
        {
            throw Failed("flash.verify-failed", "what was read back is not what was written", "take a shorter cable or another USB socket and run the command again; a flash that stays so is worn out");
        }

        bool ended = code == 0 && output.Error is null;
        if (!ended && !output.IsWritten)
        {
            throw Judge(code, output);
        }

        if (!ended || output.IsResetMissing)
        {
            report.Note(step, "flash.reset-failed", $"everything is written, only what came after failed ({output.Error ?? (ended ? "no reset" : $"exit {code}")}): the board is reset from here");
        }

        report.Done(step, "written");
    }

    private async Task FilesAsync(CancellationToken cancel)
    {
        JsonArray files = ReadFiles();
        report.Begin("files", $"{files.Count} files onto {settings.Board.DriveRoot}");
        string list = Path.Combine(Path.GetTempPath(), $"depin-files-{Guid.NewGuid():N}.json");
        try
        {
            // Without the port that the file may name: it may have another name now.
            DePIN.Cli.Up.PrivateFile.Write(list, JsonSerializer.SerializeToUtf8Bytes(new JsonObject { ["files"] = files }));
            (int code, NanoffOutput output) = await NanoffAsync("files", ["--filedeployment", list], cancel).ConfigureAwait(false);
            if (code != 0 || output.Error is not null || output.FilesFailed > 0)
            {
                throw Failed("flash.files", output.FilesFailed > 0 ? $"{output.FilesFailed} of {files.Count} files did not arrive (nanoff ended with {code}): {output.Tail}" : $"the files did not arrive: {output.Tail}", "press the board's reset button and run the command again with --skip-runtime");
            }
        }
        finally
        {
            File.Delete(list);
        }

        report.Done("files", $"{files.Count} files");
    }

    private async Task<RunningApplication> RunningAsync(CancellationToken cancel)
    {
        string port = settings.ProvisioningPort ?? settings.Port;
        report.Begin("running", $"reset, then the application must answer on {port}");
        string flashPath = await finder.FindAsync(settings.ReappearTimeout, time, cancel).ConfigureAwait(false);
        bool apart = settings.ProvisioningPort is { } other && other != settings.Port;
        if (apart)
        {
            using SerialLine line = SerialLine.Open(flashPath, nativeUsb: IsNative(flashPath));
            await line.ResetBoardAsync(cancel).ConfigureAwait(false);
        }

        ApplicationWatch watch = new(apart ? new PortFinder(port, ports) : finder, !apart && IsNative(flashPath), isDebugPort: !apart, time);
        RunningApplication found = await watch.WaitAsync(reset: !apart, settings.RunningTimeout, cancel).ConfigureAwait(false);
        if (found.Board != settings.Board.Name)
        {
            throw Failed("flash.wrong-board", $"the application runs and says that it was built for {found.Board}, not for {settings.Board.Name}", $"build it with -p:Board={settings.Board.Name} and run the command again with --skip-runtime");
        }

        report.Done("running", $"device {found.Device}, version {found.Version}, by its {found.By}", found);
        return found;
    }

    private async Task<(int ExitCode, NanoffOutput Output)> NanoffAsync(string step, string[] arguments, CancellationToken cancel)
    {
        string path = await finder.FindAsync(settings.ReappearTimeout, time, cancel).ConfigureAwait(false);
        return await new Nanoff(settings.Nanoff, settings.LogFile, settings.StallTimeout, time)
            .RunAsync([.. arguments, "--serialport", path, "--suppressnanoffversioncheck"], percent => report.Progress(step, percent), cancel).ConfigureAwait(false);
    }

    private CliError Judge(int code, NanoffOutput output)
    {
        string said = $"nanoff ended with {code}{(output.Error is { } own ? $" ({own})" : "")}: {output.Tail}";
        return output switch
        {
            { IsBootloaderSilent: true } => Failed("flash.no-bootloader", $"the chip's boot loader did not answer. {said}", "hold BOOT, press and let go EN (reset), let go BOOT, then run the command again"),
            { Error: "E4005" or "E6000" or "E6001" or "E6002" } => Failed("flash.port-refused", said, "close every program that has the port and run the command again; 'depin ports' says which"),
            { Error: "E9005" or "E9007" or "E9010" or "E9015" } => Failed(
                "flash.no-target", $"there is no image {settings.Target}{(settings.Archive is { } archive ? $" in {archive}" : "")}. {said}",
                settings.Archive is { } folder ? $"where there is internet run: nanoff --updatearchive --archivepath {folder} --target {settings.Target}" : "check the internet connection, and the name with: nanoff --listtargets --platform esp32"),
            { Error: "E4001" or "E4002" or "E4003" } => Failed("flash.not-written", said, "take a shorter cable or another USB socket and run the command again"),
            { Error: "E9000" } => Failed("flash.nanoff-old", said, "run: dotnet tool update -g nanoff"),
            _ => Failed("flash.nanoff-failed", said, $"run the command again; all of nanoff's output is in {settings.LogFile}"),
        };
    }

    /// <summary>The files of nanoff's JSON, as {"files":[{"DestinationFilePath":"I:\\x","SourceFilePath":"…"}]}; each source must be there.</summary>
    private JsonArray ReadFiles()
    {
        string path = settings.Files!;
        try
        {
            JsonObject json = JsonNode.Parse(File.ReadAllText(path), new JsonNodeOptions { PropertyNameCaseInsensitive = true })!.AsObject();
            JsonArray files = [];
            foreach (JsonNode? file in json["files"]!.AsArray())
            {
                string destination = (string)file!["DestinationFilePath"]!;
                string? source = (string?)file["SourceFilePath"];
                string? full = source is null ? null : Path.GetFullPath(source, Path.GetDirectoryName(Path.GetFullPath(path))!);
                if (!destination.StartsWith(settings.Board.DriveRoot, StringComparison.Ordinal) || (full is not null && !File.Exists(full)))
                {
                    throw Input("flash.files-wrong", $"{path}: '{destination}' from '{source}' cannot be: files lie below {settings.Board.DriveRoot}, and their sources must be there", "mend the list");
                }

                files.Add(new JsonObject { ["DestinationFilePath"] = destination, ["SourceFilePath"] = full });
            }

            return files.Count > 0 ? files : throw new FormatException("it names no file");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException or NullReferenceException or FormatException or ArgumentException)
        {
            throw Input("flash.files-wrong", $"{path} is no list of files: {error.Message}", """write {"files":[{"DestinationFilePath":"I:\\node.conf","SourceFilePath":"node.conf"}]}""");
        }
    }

    private bool IsNative(string path) => UsbBridge.Of(SerialPorts.Find(path, ports()))?.IsNative ?? false;

    private static CliError Input(string code, string what, string next) => new(ExitCode.BadInput, what, next, code);

    private static CliError Failed(string code, string what, string next) => new(ExitCode.Failed, what, next, code);
}

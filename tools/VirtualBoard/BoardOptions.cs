// The command line of the virtual board. A mistake is told with what to write instead; nothing is guessed.

using System.Globalization;
using DePIN.Firmware.Board;

namespace DePIN.VirtualBoard;

/// <summary>What to simulate.</summary>
/// <param name="Folder">Holds flash/, which is the board's I: drive.</param>
/// <param name="Sense">host, model, or the path of a trace file.</param>
/// <param name="Seed">Of the model's noise.</param>
/// <param name="Json">Events as JSON lines instead of plain ones.</param>
/// <param name="ParentProcess">Switch off when this process is gone; 0: nobody's.</param>
/// <param name="UseLoader">Start what the slots on flash hold, through the firmware's loader, instead of the firmware this is built with.</param>
/// <param name="HasDebugPort">A second pseudo terminal is its USB socket, which speaks the runtime's debug protocol.</param>
/// <param name="HasSecureElement">An ATECC608B is on the bus at 0x60; FOLDER/atecc608.json is its silicon.</param>
/// <param name="Control">A file whose lines press the button, bring access points, pull the plug; empty: none, and the network is simply there.</param>
public sealed record BoardOptions(string Folder, string Sense, int Seed, bool Json, int ParentProcess, bool HasSecureElement = false, string Control = "", bool UseLoader = false, bool HasDebugPort = false)
{
    public const string Usage =
        """
        DePIN.VirtualBoard --folder DIR [--sense host|model|FILE] [--seed N] [--board NAME] [--json] [--parent PID]
                            [--secure-element atecc608] [--control FILE] [--loader] [--debug-port]

          --folder DIR    the board: DIR/flash is its I: drive (settings in DIR/flash/node.conf), made when it is missing
          --sense host    this computer's own measurements (default)
          --sense model   a weather model with noise and drift behind a simulated BME280 and a battery
          --sense FILE    a trace: lines time_ms,channel,value; played from the beginning again at its end
          --seed N        of the model's noise (default 1)
          --board NAME    fails when this is built for another board (-p:Board=NAME of the build)
          --json          events as JSON, one a line
          --parent PID    switch off when that process is gone
          --secure-element atecc608   a simulated ATECC608B at address 0x60; DIR/atecc608.json is its silicon, blank when it is missing
          --control FILE  lines that press the button, bring and take access points, pull the serial plug; read on while the board runs
          --loader        start what the slots on flash hold (slot-a.du, app-a.*; firmware/Update), as a board that takes updates does
          --debug-port    its USB socket, another pseudo terminal: the runtime's debug protocol, what the firmware prints as packets
        """;

    /// <summary>Reads the arguments; <paramref name="error"/> says what is wrong with them, and the result is null then.</summary>
    public static BoardOptions? Parse(string[] args, out string error)
    {
        ArgumentNullException.ThrowIfNull(args);
        string folder = "";
        string sense = "host";
        int seed = 1;
        int parent = 0;
        bool json = false;
        bool hasSecureElement = false;
        string control = "";
        bool useLoader = false;
        bool hasDebugPort = false;
        error = "";
        for (int i = 0; i < args.Length; i++)
        {
            string name = args[i];
            if (name == "--json")
            {
                json = true;
                continue;
            }

            if (name == "--loader")
            {
                useLoader = true;
                continue;
            }

            if (name == "--debug-port")
            {
                hasDebugPort = true;
                continue;
            }

            if (name is not ("--folder" or "--sense" or "--seed" or "--board" or "--parent" or "--secure-element" or "--control"))
            {
                error = $"unknown argument {name}";
                return null;
            }

            if (++i == args.Length)
            {
                error = $"{name} needs a value";
                return null;
            }

            string value = args[i];
            switch (name)
            {
                case "--folder":
                    folder = value;
                    break;
                case "--sense":
                    sense = value;
                    break;
                case "--control":
                    control = value;
                    break;
                case "--secure-element" when value == "atecc608":
                    hasSecureElement = true;
                    break;
                case "--seed" when int.TryParse(value, NumberStyles.Integer, CultureInfo.InvariantCulture, out seed):
                case "--parent" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out parent):
                case "--board" when value == BoardPins.BoardName:
                    break;
                default:
                    error = name switch
                    {
                        "--board" => $"unknown board {value}: this program is built for {BoardPins.BoardName} (for another one build it with -p:Board=NAME)",
                        "--secure-element" => $"unknown secure element {value}: there is atecc608",
                        _ => $"{name} is a number, not {value}",
                    };
                    return null;
            }
        }

        if (folder.Length == 0)
        {
            error = "--folder says where the board's flash is kept";
            return null;
        }

        if (sense is not ("host" or "model") && !File.Exists(sense))
        {
            error = $"--sense {sense}: there is no such trace file (or write host, or model)";
            return null;
        }

        return new BoardOptions(Path.GetFullPath(folder), sense, seed, json, parent, hasSecureElement, control, useLoader, hasDebugPort);
    }
}

using DePIN.Gateway.Web;

namespace DePIN.Cli.Up;

/// <summary>What a person watching `up` sees of one board. Written by the board's reader and the watcher, read by the view.</summary>
public sealed class BoardState(string name, string sense, string gateway = "gateway")
{
    public string Name { get; } = name;

    /// <summary>Name of the gateway it publishes to.</summary>
    public string Gateway { get; } = gateway;

    public string Sense { get; } = sense;

    /// <summary>40 hex digits, once the board said who it is.</summary>
    public string DeviceId { get; set; } = "";

    /// <summary>What the board does now, in a word or three.</summary>
    public string Doing { get; set; } = "starting";

    public long Published { get; set; }

    public long Acknowledged { get; set; }

    /// <summary>The highest sequence of this board in the gateway's store; 0 = none yet.</summary>
    public ulong Stored { get; set; }

    /// <summary>The highest sequence whose proof was checked offline and on chain; 0 = none yet.</summary>
    public ulong ProvenSequence { get; set; }

    /// <summary>The sequence whose proof is asked for next.</summary>
    public ulong ProveNext { get; set; } = 1;

    /// <summary>Proofs of this board that were checked and found right.</summary>
    public int Proven { get; set; }
}

/// <summary>What a person watching `up` sees of one gateway. Written by the watcher, read by the view.</summary>
public sealed class GatewayState(string name)
{
    public string Name { get; } = name;

    /// <summary>0x and 40 hex digits, once its key is made.</summary>
    public string Address { get; set; } = "";

    public string Url { get; set; } = "";

    /// <summary>Its own word: healthy, degraded, failed, starting; or that it does not answer.</summary>
    public string Health { get; set; } = "starting";

    public long Frames { get; set; }

    public long Batches { get; set; }

    /// <summary>Entries of the ledger, as this gateway follows it.</summary>
    public long Anchors { get; set; }

    /// <summary>The network as this gateway sees it; null before its first answer and while it does not answer.</summary>
    public NetworkJson? Network { get; set; }
}

/// <summary>The whole picture of one run of `up`.</summary>
public sealed class UpState
{
    public IReadOnlyList<BoardState> Boards { get; init; } = [];

    public IReadOnlyList<GatewayState> Gateways { get; init; } = [];

    public long Frames => Gateways.Sum(gateway => gateway.Frames);

    public long Batches => Gateways.Sum(gateway => gateway.Batches);

    public long Anchors => Gateways.Max(gateway => gateway.Anchors);

    public int Healthy => Gateways.Count(gateway => gateway.Health == "healthy");

    /// <summary>Proofs that did not check. Anything but 0 is a defect.</summary>
    public int Failed { get; set; }

    public string? RpcUrl { get; set; }

    public int ProvenBoards => Boards.Count(board => board.Proven > 0);
}

namespace DePIN.Gateway.Settings;

/// <summary>Section <c>chain</c>.</summary>
public sealed class ChainSettings
{
    [Setting("RPC endpoints, the preferred first. The next one is used while one fails or lags. One alone can withhold or make up registrations: see rpcAgree.")]
    public string[] RpcUrls { get; set; } = [];

    [Setting("How many of the endpoints must say the same before it is believed. 1 trusts whichever answers; 2 of three independent providers survive one that lies and one that is away.", Min = 1, Max = 8)]
    public int RpcAgree { get; set; } = 1;

    [Setting("The deployment record written by 'depin contracts deploy'; it fills the chain id and the addresses below.")]
    public string Deployment { get; set; } = "";

    [Setting("Chain id; an endpoint of another chain is not used.", Min = 0, Max = 9_007_199_254_740_991)]
    public long ChainId { get; set; }

    [Setting("Address of the DeviceRegistry contract.")]
    public string DeviceRegistry { get; set; } = "";

    [Setting("Address of the GatewayRegistry contract.")]
    public string GatewayRegistry { get; set; } = "";

    [Setting("Address of the Ledger contract.")]
    public string Ledger { get; set; } = "";

    [Setting("Length of the ledger's epochs when it was deployed: at most one anchor is made in each. What the community votes later is read from the chain.", Unit = "s", Min = 0, Max = 31_536_000)]
    public long EpochSeconds { get; set; }

    [Setting("The block the contracts were deployed in; events are read from there.", Min = 0, Max = 9_007_199_254_740_991)]
    public long DeployedAtBlock { get; set; }

    [Setting("How often the chain is asked for news.", Unit = "ms", Min = 50, Max = 600_000)]
    public int PollIntervalMs { get; set; } = 2_000;

    [Setting("One RPC call takes at most this long.", Unit = "ms", Min = 100, Max = 120_000)]
    public int RpcTimeoutMs { get; set; } = 10_000;

    [Setting("Blocks asked for in one eth_getLogs; lower it when an endpoint complains.", Min = 1, Max = 100_000)]
    public int LogRangeBlocks { get; set; } = 1_000;

    [Setting("Folder with the lists of device batches (files *.members, as 'depin provision batch' writes them); looked at every few seconds. Relative to the data folder.")]
    public string MemberLists { get; set; } = "members";

    [Setting("A transaction counts as final under this many blocks.", Unit = "blocks", Min = 1, Max = 10_000)]
    public int Confirmations { get; set; } = 12;
}

using System.CommandLine;
using DePIN.Cli.Audit;
using DePIN.Cli.Bench;
using DePIN.Cli.Board;
using DePIN.Cli.Claim;
using DePIN.Cli.Contracts;
using DePIN.Cli.Device;
using DePIN.Cli.Disputes;
using DePIN.Cli.Flash;
using DePIN.Cli.Gateway.Host;
using DePIN.Cli.Govern;
using DePIN.Cli.Index;
using DePIN.Cli.Key;
using DePIN.Cli.Label;
using DePIN.Cli.Network;
using DePIN.Cli.Ota;
using DePIN.Cli.Peers;
using DePIN.Cli.Ports;
using DePIN.Cli.Prove;
using DePIN.Cli.Provision;
using DePIN.Cli.Stake;
using DePIN.Cli.Status;
using DePIN.Cli.Terminal;
using DePIN.Cli.Up;
using DePIN.Cli.Verify;

RootCommand root = new("depin: from a sensor's signed reading to a proof on a public chain.")
{
    UpCommand.Create(),        // the whole way on this machine
    ProveCommand.Create(),     // a proof of one frame, as a file
    VerifyCommand.Create(),    // checks such a file, offline or against the chain
    GatewayCommand.Create(),   // the gateway of this machine: init, run, check, backup, restore, config
    StatusCommand.Create(),    // what moves at a gateway, and what waits
    PeersCommand.Create(),     // a gateway's connections with the others
    NetworkCommand.Create(),   // the network of gateways: who leads, who signs, what waits
    DisputesCommand.Create(),  // offences brought before the contract, and judged
    IndexCommand.Create(),     // the network's readings, proven, into PostgreSQL and over HTTP
    ProvisionCommand.Create(), // boards from the box to the first verified frame
    DeviceCommand.Create(),    // the devices a gateway knows
    BoardCommand.Create(),     // the boards a node can be built on
    OtaCommand.Create(),       // updates of the nodes' software: keys, packages, roll-outs
    PortsCommand.Create(),     // the serial ports of this computer
    FlashCommand.Create(),     // runtime and application onto a board
    LabelCommand.Create(),     // labels with a QR code for devices
    KeyCommand.Create(),       // the owner's key in a keystore
    StakeCommand.Create(),     // tokens for a gateway, so that it is in the set
    UnstakeCommand.Create(),   // out of it, and the tokens back
    ClaimCommand.Create(),     // what an owner or an operator earned
    ProposeCommand.Create(),   // another value of a number that governance sets
    VoteCommand.Create(),      // on it
    ExecuteCommand.Create(),   // what was decided
    AuditCommand.Create(),     // rewards and roots, computed again
    ContractsCommand.Create(), // builds and deploys the contracts
    BenchCommand.Create(),     // measured figures
};

return await CommandLine.RunAsync(root, args);

using System.CommandLine;
using DePIN.Cli.Gateway;
using DePIN.Cli.Terminal;
using DePIN.Gateway.Web;

namespace DePIN.Cli.Network;

/// <summary>`depin network`: who leads, who signs, what waits and why not.</summary>
public static class NetworkCommand
{
    public static Command Create()
    {
        Option<string[]> gateways = GatewayOption.CreateMany();
        Option<bool> watch = new("--watch") { Description = "A picture of the network, drawn again every second until Ctrl-C; plain lines in a pipe. Asks every gateway of the 'up' that runs here, unless --gateway says otherwise." };
        Option<bool> json = new("--json") { Description = "The gateway's own /network as one JSON line; with --watch a line a gateway and second." };
        Command command = new("network", "The network of gateways: who leads this epoch and the next ones, who signs, what waits and why not.") { gateways, watch, json };
        command.SetAction((parsed, cancel) => RunAsync(parsed.GetValue(gateways) ?? [], parsed.GetValue(watch), parsed.GetValue(json), cancel));
        return command;
    }

    private static async Task<int> RunAsync(string[] given, bool watch, bool json, CancellationToken cancel)
    {
        List<GatewayApi> apis = [];
        try
        {
            apis.AddRange(GatewayOption.OpenMany(given, everyOfUp: watch));
            if (watch)
            {
                return await new NetworkWatch(apis, json).RunAsync(cancel).ConfigureAwait(false);
            }

            foreach (GatewayApi api in apis)
            {
                NetworkJson network = await GatewayNetwork.ReadAsync(api, cancel).ConfigureAwait(false);
                Console.WriteLine(json ? network.Write() : NetworkText.Of(network, api.Url));
            }

            return ExitCode.Ok;
        }
        finally
        {
            apis.ForEach(api => api.Dispose());
        }
    }
}

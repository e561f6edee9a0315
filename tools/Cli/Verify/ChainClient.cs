using DePIN.Cli.Terminal;
using DePIN.Contracts;
using DePIN.Evidence;

namespace DePIN.Cli.Verify;

/// <summary>One chain endpoint as commands use it: the client with our contracts' errors, owned with its connections.</summary>
public sealed class ChainClient : IDisposable
{
    private readonly HttpClient http = JsonRpc.CreateHttpClient();

    public ChainClient(string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) || parsed.Scheme is not ("http" or "https"))
        {
            throw new CliError(ExitCode.BadInput, $"--rpc: '{url}' is no http or https URL", "for example https://rpc.example.org or http://127.0.0.1:8545");
        }

        Client = new EthereumClient(new JsonRpc(http, new JsonRpcSettings(parsed), TimeProvider.System, new Random()));
        ContractErrors.AddTo(Client.Reverts);
    }

    public EthereumClient Client { get; }

    /// <summary>Runs calls to the chain; what the endpoint does wrong becomes an error with a remedy.</summary>
    public static async Task<T> AskAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (RpcUnreachableException error)
        {
            throw new CliError(ExitCode.Unreachable, error.Message, "check the URL and the network, or name another endpoint with --rpc");
        }
        catch (RpcAnswerException error)
        {
            throw new CliError(ExitCode.Unreachable, $"the endpoint's answer is wrong at {error.Field}: {error.Message}", "name another endpoint with --rpc");
        }
        catch (RpcRejectedException error)
        {
            throw new CliError(ExitCode.Unreachable, $"the endpoint refused: {error.Message}", "name an endpoint that serves eth_call and eth_getLogs with --rpc");
        }
        catch (ExecutionRevertedException error)
        {
            throw new CliError(ExitCode.Failed, $"the contract refused: {error.Revert.Text}", "mend what it names");
        }
    }

    public void Dispose() => http.Dispose();
}

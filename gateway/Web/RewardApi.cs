using System.Globalization;
using System.Numerics;
using DePIN.Evidence;
using DePIN.Gateway.Reward;
using DePIN.Gateway.Settings;

namespace DePIN.Gateway.Web;

/// <summary>What everybody earned, as this gateway computed it. Nobody needs to believe it: a leaf and its path give the root on the chain or they do not.</summary>
public sealed class RewardApi(WebSettings settings, RewardLog log)
{
    /// <summary>Adds the paths.</summary>
    public void Map(IEndpointRouteBuilder routes)
    {
        ReadApi.Get(routes, "/api/rewards", Payouts);
        ReadApi.Get(routes, "/api/rewards/payouts/{epoch}", Accounts);
        ReadApi.Get(routes, "/api/rewards/{account}", Claims);
    }

    private Task Payouts(HttpContext context)
    {
        ApiRequest.Allow(context);
        return ApiRequest.WriteAsync(context, new RewardsJson([.. log.All().Select(Json)]), ApiJsonContext.Default.RewardsJson);
    }

    private Task Accounts(HttpContext context)
    {
        ApiRequest.Allow(context, "from", "limit");
        ulong epoch = ApiRequest.PathNumber(context, "epoch", 0);
        int from = (int)ApiRequest.Number(context, "from", 0, 0, int.MaxValue);
        int limit = (int)ApiRequest.Number(context, "limit", (ulong)Math.Min(ReadApi.PageDefault, settings.PageMax), 1, (ulong)settings.PageMax);
        ComputedPayout payout = log.All().FirstOrDefault(one => one.Payout.Epoch == epoch) ?? throw ApiRequest.NotFound($"There is no payout up to epoch {epoch} here.", "See /api/rewards.");
        List<EarnedJson> page = [.. payout.Sums.Accounts.Skip(from).Take(limit).Select(one => new EarnedJson(one.Key.ToString(), Text(one.Value)))];
        int next = from + page.Count;
        return ApiRequest.WriteAsync(context, new PayoutAccountsJson(Json(payout), page, next < payout.Sums.Accounts.Count ? next : null), ApiJsonContext.Default.PayoutAccountsJson);
    }

    private Task Claims(HttpContext context)
    {
        ApiRequest.Allow(context);
        string text = context.Request.RouteValues["account"] as string ?? "";
        if (!Address.TryParse(text, out Address account)) throw ApiRequest.Bad("account", "is no address", "Give 0x and 40 hex digits; mixed case must have the right EIP-55 checksum.");
        List<ClaimJson> claims = [.. log.All().Where(one => one.Sums.Of(account) > 0).Select(one =>
            new ClaimJson(one.Payout.Epoch, one.Payout.Root.ToString(), Text(one.Sums.Of(account)), [.. one.Sums.PathOf(account)!.Select(node => node.ToString())]))];
        return ApiRequest.WriteAsync(context, new ClaimsJson(account.ToString(), claims), ApiJsonContext.Default.ClaimsJson);
    }

    private static PayoutJson Json(ComputedPayout one) =>
        new(one.Payout.Epoch, one.Payout.Previous.ToString(), one.Payout.Root.ToString(), Text(one.Payout.Total), one.Sums.Accounts.Count);

    private static string Text(BigInteger value) => value.ToString(CultureInfo.InvariantCulture);
}

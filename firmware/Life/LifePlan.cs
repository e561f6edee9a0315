namespace DePIN.Firmware.Life
{
    /// <summary>
    /// The node's state machine: which stage follows which. Pure, so that it can be read and tested as the table it is (README.md). Troubles are
    /// no stages of their own: each stage ends in bounded time whatever happens in it, and a node without network goes on sampling.
    /// </summary>
    public static class LifePlan
    {
        public static LifeStage Next(LifeStage stage, LifeFacts facts)
        {
            switch (stage)
            {
                case LifeStage.Boot:
                    return facts.MaySign ? LifeStage.Sample : LifeStage.Provision;
                case LifeStage.Provision:
                    return LifeStage.End;
                case LifeStage.Sample:
                    return facts.FrameDue ? LifeStage.Sign : AfterRound(facts);
                case LifeStage.Sign:
                    return AfterRound(facts);
                case LifeStage.Connect:
                    return facts.Connected ? LifeStage.Publish : BeforeSleep(facts);
                case LifeStage.Publish:
                    return BeforeSleep(facts);
                case LifeStage.Rest:
                    return facts.MaySign ? LifeStage.Sample : LifeStage.Provision;
                case LifeStage.Sleep:
                    return facts.Kept ? LifeStage.End : LifeStage.Rest; // what flash does not have would be forgotten
                default:
                    return LifeStage.End;
            }
        }

        private static LifeStage AfterRound(LifeFacts facts)
        {
            if (!facts.MaySign)
            {
                return LifeStage.Provision;
            }

            if (!facts.Sleeps)
            {
                return LifeStage.Rest;
            }

            return facts.ConnectDue ? LifeStage.Connect : BeforeSleep(facts);
        }

        private static LifeStage BeforeSleep(LifeFacts facts)
        {
            return facts.NapTooShort ? LifeStage.Rest : LifeStage.Sleep;
        }
    }
}

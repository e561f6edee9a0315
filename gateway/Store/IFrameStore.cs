using DePIN.Gateway.Verify;

namespace DePIN.Gateway.Store;

/// <summary>
/// The durable arrival log with its devices and batches, as the other parts use it. Two implementations keep the same promises: <see cref="FrameLog"/>
/// (one SQLite file, one process) and PostgreSQL (several processes of one identity). A frame's outcome is told only after its commit, exactly once.
/// Reads throw <see cref="StoreException"/> (Unavailable) or a <see cref="System.Data.Common.DbException"/> when the store cannot be asked.
/// </summary>
public interface IFrameStore : Operate.IDurableStore, IDisposable
{
    /// <summary>The file or the database, as messages name it; no secrets.</summary>
    string Place { get; }

    /// <summary>Says whether more frames are on their way, so that a commit is worth a short wait. Set by the verifier.</summary>
    Func<bool>? MoreComing { get; set; }

    /// <summary>
    /// True when a frame below its device's last one is taken if it is not stored yet: several processes take frames, so those of one device come in any order.
    /// False: it is refused as a replay.
    /// </summary>
    bool TakesLate => false;

    /// <summary>Rises with every change of the saved devices that another process may have made; 0 when none can.</summary>
    long DeviceChanges => 0;

    /// <summary>The last durable row; rows are 1 … LastRow without holes. 0 when empty.</summary>
    long LastRow { get; }

    /// <summary>Rises with every failed commit; see <see cref="FrameAppend"/>.</summary>
    long Epoch { get; }

    /// <summary>None when frames are taken, else Full or Unavailable.</summary>
    StoreFault State { get; }

    /// <summary>What the last failed attempt to reopen said; null when it never failed.</summary>
    string? LastError { get; }

    /// <summary>Queued and not yet committed: frames and other writes.</summary>
    int QueueDepth { get; }

    /// <summary>The device's place in the log. The device must have been saved.</summary>
    DeviceLog LogOf(int device);

    /// <summary>Queues a verified frame; its outcome is told on the writer's thread. The caller bounds how many.</summary>
    void Append(FrameAppend frame);

    /// <summary>Completes when a frame with a row above <paramref name="row"/> is durable.</summary>
    Task WaitForRowAsync(long row, CancellationToken cancellationToken);

    /// <summary>The frame at a row, or null.</summary>
    StoredFrame? FrameAt(long row);

    /// <summary>Frames of rows <paramref name="firstRow"/> … <paramref name="lastRow"/>, ascending, streamed in pages.</summary>
    IEnumerable<StoredFrame> Frames(long firstRow, long lastRow);

    /// <summary>Rows and their frames' lengths in a range, ascending, streamed in pages.</summary>
    IEnumerable<(long Row, int Bytes)> Lengths(long firstRow, long lastRow);

    /// <summary>The newest frames, newest first; page on with <paramref name="beforeRow"/> = the last row got (0 = from the newest).</summary>
    List<StoredFrame> Latest(int count, long beforeRow = 0);

    /// <summary>A device's frames from a sequence on, ascending; page on with the last sequence + 1.</summary>
    List<StoredFrame> FramesOf(int device, ulong fromSequence, int count);

    /// <summary>
    /// A device's frames of sequences <paramref name="from"/> … <paramref name="before"/> - 1, the newest first, at most <paramref name="count"/> and
    /// <see cref="FrameLog.ReadFramesMax"/>; page on with the last sequence got as <paramref name="before"/>. Dropped and lost ones are left out.
    /// </summary>
    List<StoredFrame> NewestOf(int device, ulong from, ulong before, int count);

    /// <summary>The sequences of a device's newest frames, the newest first, from the index alone: no frame is read.</summary>
    List<ulong> NewestSequences(int device, int count);

    /// <summary>The frame of a device with a sequence, or null.</summary>
    StoredFrame? Find(int device, ulong sequence);

    /// <summary>True when a row was dropped, by age or budget, after it was anchored: its file is gone.</summary>
    bool IsDropped(long row) => false;

    /// <summary>Rows of a range that the disk lost, ascending: noted, with the damaged file kept.</summary>
    IReadOnlyList<long> LostRows(long firstRow, long lastRow) => [];

    /// <summary>Where a device's frame was that is dropped or lost; null when it is here, or never was.</summary>
    DroppedFrame? FindDropped(int device, ulong sequence) => null;

    /// <summary>Inserts or updates a device; gives its integer, or 0 when the store has no room for more.</summary>
    Task<int> SaveDeviceAsync(RegisteredDevice device);

    /// <summary>All devices with their integers.</summary>
    List<(int Id, RegisteredDevice Device)> Devices();

    /// <summary>
    /// Saves a batch before anything of it leaves, and that the rows up to its last are done, unless it is one cut again.
    /// False when another batch with the number is there: then nothing changed.
    /// </summary>
    Task<bool> SaveBatchAsync(StoredBatch batch);

    /// <summary>Appends the frames of a batch that came back and saves the batch over them. True also when it is there already, false when another one has its number.</summary>
    Task<bool> AppendBatchAsync(StoredBatch batch, IReadOnlyList<RestoredFrame> frames);

    /// <summary>The last row that was looked at for a batch: those up to it are in one, or were left out for good.</summary>
    long CutRow { get; }

    /// <summary>Notes that the rows up to one are in batches, or left out. Never goes back.</summary>
    Task SaveCutRowAsync(long row);

    /// <summary>The range of the batch that begins at or after a row, the lowest; null when there is none.</summary>
    (long First, long Last)? NextRange(long row);

    /// <summary>The batch whose encoded body has this SHA-256, or null.</summary>
    StoredBatch? BatchOfBody(byte[] framesHash);

    /// <summary>The batch that holds what was left of a void one, or null.</summary>
    StoredBatch? RecutOf(ulong number);

    /// <summary>The last batch, or null.</summary>
    StoredBatch? LastBatch();

    /// <summary>The batch with a number, or null.</summary>
    StoredBatch? BatchAt(ulong number);

    /// <summary>The lowest number from this one on that no batch has.</summary>
    ulong FirstMissingBatch(ulong from);

    /// <summary>Batches from a number on, ascending.</summary>
    List<StoredBatch> Batches(ulong fromNumber, int count);

    /// <summary>The newest batch a row is in, or null when it is in none (yet).</summary>
    StoredBatch? BatchOf(long row);

    /// <summary>Keeps two frames that contradict each other. False when it is kept already or one of the limits is reached.</summary>
    Task<bool> SaveEquivocationAsync(int device, ulong sequence, long receivedMs, byte[] first, byte[] second);

    /// <summary>Kept equivocations from an id on, ascending.</summary>
    List<StoredEquivocation> Equivocations(long fromId, int count);
}

using DePIN.Gateway.Tests.Store;

// The tests run under `dotnet test`. Started by hand or by a test, this assembly is the process that gets killed.
return args is ["store-child", string folder] ? await StoreChild.RunAsync(folder) : args is ["full-disk-child", string small] ? await FullDiskChild.RunAsync(small) : 1;

#!/bin/sh
# Starts a program of /usr/lib/depin: by itself when the runtime is inside, else with the ASP.NET Core runtime 10 of this machine.
set -eu
here=/usr/lib/depin
program=$1
shift
if [ -x "$here/$program" ]; then exec "$here/$program" "$@"; fi

for dotnet in "${DOTNET_ROOT:-/nowhere}/dotnet" "$(command -v dotnet || true)" /usr/lib/dotnet/dotnet /usr/share/dotnet/dotnet /usr/local/share/dotnet/dotnet /opt/dotnet/dotnet; do
	[ -x "$dotnet" ] || continue
	real=$(readlink -f "$dotnet")
	for runtime in "${real%/*}"/shared/Microsoft.AspNetCore.App/10.*; do
		[ -d "$runtime" ] && exec "$real" "$here/$program.dll" "$@"
	done
done

echo "The ASP.NET Core runtime 10 is missing. Install it with:" >&2
if apt-cache show aspnetcore-runtime-10.0 >/dev/null 2>&1; then
	echo "  sudo apt install aspnetcore-runtime-10.0" >&2
else
	echo "  curl -fsSL https://dot.net/v1/dotnet-install.sh | sudo bash -s -- --channel 10.0 --runtime aspnetcore --install-dir /usr/share/dotnet" >&2
fi
exit 69

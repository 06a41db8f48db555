# Boots this machine's own files under a systemd of their own: systemd.sh FOLDER [OPTION ...] < ORDERS
#
# What is changed there is kept in memory: nothing of this machine is touched, and nothing is left behind. FOLDER is an empty one, for mounts that only
# this process and its children see. Each line on the input boots it; when it has gone down, this prints "down". The options go to systemd-nspawn.
# $OPENED are folders that everybody may pass through there: what is to be run may lie below somebody's own.
set -eu
folder=$1
shift

mount -t tmpfs tmpfs "$folder"
root=$folder/root
mkdir "$folder/changes" "$folder/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" "$root"

# None of this machine's own services starts there, and nothing is mounted.
rm -rf "$root/etc/systemd/system" "$root/etc/systemd/user" "$root/etc/init.d" "$root"/etc/rc?.d "$root/etc/fstab" "$root/var/log/journal"
mkdir "$root/etc/systemd/system" "$root/etc/systemd/user"
: > "$root/etc/machine-id"
for parent in $OPENED; do
    chmod o+x "$root$parent"
done

while read -r _; do
    systemd-nspawn --quiet --keep-unit --register=no --directory="$root" --kill-signal=SIGRTMIN+3 "$@" --boot < /dev/null >&2 || true
    echo down
done

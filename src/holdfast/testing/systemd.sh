# Boots this machine's own files under a systemd of their own: systemd.sh FOLDER [OPTION ...] < ORDERS
#
# What is changed there is kept in memory: nothing of this machine is touched, and nothing is left behind. FOLDER is an empty one, for mounts that only
# this process and its children see. The orders are lines: "up" boots it; "down" waits until it has gone down, and says so. At the end of the orders it is
# gone. The options go to systemd-nspawn. $OPENED are folders that everybody may pass through there: what is to be run may lie below somebody's own.
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
if [ "$UNDER_TMP" ]; then # a service with a /tmp of its own would not find what is to be run
    mkdir "$root/etc/systemd/system/service.d"
    printf '[Service]\nPrivateTmp=no\n' > "$root/etc/systemd/system/service.d/tmp.conf"
fi
for parent in $OPENED; do
    chmod o+x "$root$parent"
done

# A control group of its own in every hierarchy: else it would kill, by the name of a unit, what others run under the same name.
groups=""
while IFS=: read -r _ controllers path; do
    case $controllers in
        "") top=/sys/fs/cgroup/unified ;;
        name=*) top=/sys/fs/cgroup/${controllers#name=} ;;
        *) top=/sys/fs/cgroup/$controllers ;;
    esac
    if [ ! -d "$top" ]; then top=/sys/fs/cgroup; fi
    group=${top}${path%/}/holdfast-test-$$
    mkdir "$group" 2> /dev/null || continue
    if echo $$ 2> /dev/null > "$group/cgroup.procs"; then groups="$groups $group"; else rmdir "$group"; fi
done < /proc/self/cgroup

nspawn=
while read -r order; do
    case $order in
        up)
            systemd-nspawn --quiet --keep-unit --register=no --directory="$root" --kill-signal=SIGRTMIN+3 "$@" --boot < /dev/null >&2 &
            nspawn=$!
            ;;
        down)
            wait "$nspawn" || true
            nspawn=
            echo down
            ;;
    esac
done

if [ -n "$nspawn" ]; then
    pkill -KILL -P "$nspawn" || true
    wait "$nspawn" || true
fi
for group in $groups; do
    echo $$ > "${group%/*}/cgroup.procs"
    find "$group" -depth -type d -exec rmdir {} + || true
done

# The table and load.json of load.sh, and the points of its plot, from its files calls, raw and at (in this order).
# raw: ENGINE SUBJECT WORKERS and the line of histogram.h; at: ENGINE SUBJECT WORKERS SHARE NANOSECONDS; calls: ENGINE
# SUBJECT LIVES and the system calls of two runs, the second of twice as many lives.
function median(list,    n, i, j, v, t, count) {
    n = split(list, v, " ")
    for (i = 1; i <= n; i++) if (v[i] !~ /nan/) v[++count] = v[i] + 0
    if (!count) return ""
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return (v[int((count + 1) / 2)] + v[int(count / 2) + 1]) / 2
}
function shown(x, format) { return x == "" ? "-" : sprintf(format, x) }
# What the threads of a process say to each other at its beginning and end differs: the difference of two runs can be
# a little less than nothing.
function per_life(lives, once, twice) { return twice > once ? (twice - once) / lives : 0 }
function value(x) { return x == "" ? "null" : sprintf("%.4f", x) }
FILENAME ~ /calls$/ { calls[$1, $2] = per_life($3, $4, $5); next }
FILENAME ~ /raw$/ {
    key = $2 " " $3 " " $1
    if (!(key in seen)) { seen[key] = 1; order[++count] = key }
    for (i = 4; i <= 11; i++) values[key, i - 3] = values[key, i - 3] " " $i
    next
}
{
    key = $1 " " $2 " " $3 " " $4
    if (!(key in points)) shares[++share_count] = key
    points[key] = points[key] " " $5
}
END {
    split("rate cpu_rate p50 p99 p999 making rss_kb wrong", names, " ")
    printf "%-9s %-7s %-9s %11s %11s %9s %10s %10s %11s %8s %9s %10s %10s\n", "module", "workers", "engine", "thousand/s", \
        "/cpu second", "p50 ns", "p99 ns", "p99.9 ns", "new+drop ns", "RSS kB", "sys calls", "waggle is", "by cpu"
    printf "{\"benchmark\": \"load\", \"rounds\": %d, \"rows\": [", rounds >(out "/load.json")
    for (i = 1; i <= count; i++) {
        split(order[i], part, " ")
        for (j = 1; j <= 8; j++) m[j] = median(values[order[i], j])
        own = part[1] " " part[2] " waggle"
        ratio = m[1] > 0 ? median(values[own, 1]) / m[1] : ""
        cpu_ratio = m[2] > 0 ? median(values[own, 2]) / m[2] : ""
        own_calls = (part[3], part[1]) in calls ? calls[part[3], part[1]] : ""
        if (part[2] == 1 && m[7] != "") weight[part[3], part[1]] = m[7]
        printf "%-9s %-7s %-9s %11.2f %11.2f %9d %10d %10d %11d %8s %9s %9.1fx %9.1fx\n", part[1], part[2], part[3], m[1] / 1e3, m[2] / 1e3, \
            m[3], m[4], m[5], m[6], shown(m[7], "%.1f"), shown(own_calls, "%.3f"), ratio, cpu_ratio
        printf "%s\n {\"module\": \"%s\", \"workers\": %d, \"engine\": \"%s\"", (i > 1 ? "," : ""), part[1], part[2], part[3] >(out "/load.json")
        for (j = 1; j <= 8; j++) printf ", \"%s\": %s", names[j], value(m[j]) >(out "/load.json")
        printf ", \"system_calls\": %s, \"waggle_is\": %s, \"waggle_is_by_cpu\": %s}", value(own_calls), value(ratio), value(cpu_ratio) >(out "/load.json")
        wrong += m[8]
        if (part[3] == "waggle" && length(part[1]) == 1 && own_calls >= 0.001) { print "load: system calls in lives of shape " part[1]; bad = 1 }
        if (order[i] == "b 2 wasmtime") promised = ratio
    }
    printf "],\n \"about\": [" >(out "/load.json")
    while ((getline line < (out "/about")) > 0) {
        print line
        printf "%s\"%s\"", (told++ ? ", " : ""), line >(out "/load.json")
    }
    print "]}" >(out "/load.json")
    if (promised != "") {
        printf "shape b, 2 workers: %.1f times as many instances a second as wasmtime's pooling allocator (at least 20)\n", promised
        if (promised < 20) bad = 1
    }
    if (wrong) { print "load: wrong values"; bad = 1 }
    for (i = 1; i <= share_count; i++) {
        split(shares[i], part, " ")
        print part[4], median(points[shares[i]]) >(out "/at-" part[1] "-" part[2] "-" part[3])
    }
    exit bad
}

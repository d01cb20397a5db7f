# The report of peers.sh: reads its raw lines, prints tables, writes JSON and data for gnuplot; status 1 when a check is wrong.
#   ACTION ROUND ENGINE NAME N WANTED CHECK COMPILE_MS CPU_MS WALL_MS
# Variables: engines (names in order), about (a file of "key text" lines), json, data (files to write), runs.

function median_of(list,    parts, count, i, j, t) {
    count = split(list, parts, " ")
    for (i = 2; i <= count; i++) {
        t = parts[i] + 0
        for (j = i - 1; j >= 1 && parts[j] + 0 > t; j--) parts[j + 1] = parts[j]
        parts[j + 1] = t
    }
    if (count == 0) return ""
    return (parts[int((count + 1) / 2)] + parts[int(count / 2) + 1]) / 2
}

function complain(text) {
    print "bench-peers: " text
    bad = 1
}

function quoted(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/"/, "\\\"", text)
    return "\"" text "\""
}

# A JSON object of the engines' numbers in table[name, engine].
function numbers(table, name,    i, text) {
    for (i = 1; i <= engine_count; i++)
        if (table[name, engine[i]] != "")
            text = text (text == "" ? "" : ", ") quoted(engine[i]) ": " sprintf("%.4f", table[name, engine[i]])
    return "{" text "}"
}

function print_table(title, table, names, count, format,    i, j) {
    printf "\n%-14s", title
    for (j = 1; j <= engine_count; j++) printf "  %13s", engine[j]
    print ""
    for (i = 1; i <= count; i++) {
        printf "%-14s", names[i]
        for (j = 1; j <= engine_count; j++)
            printf "  %13s", (table[names[i], engine[j]] == "" ? "-" : sprintf(format, table[names[i], engine[j]]))
        print ""
    }
}

# Of ratio[names, e] for the rows from first to last; "" when one is missing.
function geometric_mean(e, first, last,    i, sum) {
    for (i = first; i <= last; i++) {
        if (ratio[work[i], e] == "") return ""
        sum += log(ratio[work[i], e])
    }
    return last >= first ? exp(sum / (last - first + 1)) : ""
}

$1 == "run" {
    if (!($4 in wanted)) {
        work[++work_count] = $4
        wanted[$4] = $6
        size[$4] = $5
    }
    if ($7 != wanted[$4]) {
        if (!(($3, $4) in said)) complain($3 " " $4 ": the check is " $7 ", not " wanted[$4])
        said[$3, $4] = 1
        next
    }
    cpus[$4, $3] = cpus[$4, $3] " " $9
    walls[$4, $3] = walls[$4, $3] " " $10
    if ($8 != "-") starts[$4, $3] = starts[$4, $3] " " $8
    if ($2 > rounds) rounds = $2
}

$1 == "compile" {
    if (!($4 in is_module)) {
        modules[++module_count] = $4
        is_module[$4] = 1
    }
    if ($7 == "failed") {
        if (!(($3, $4) in said)) complain($3 " does not compile " $4)
        said[$3, $4] = 1
        next
    }
    if ($7 > 0) code[$4] = $7
    compiles[$4, $3] = compiles[$4, $3] " " $8
}

END {
    engine_count = split(engines, engine, " ")
    base = ""
    for (j = 1; j <= engine_count; j++) if (engine[j] == "turbofan") base = "turbofan"
    if (base == "") base = engine[1]
    for (i = 1; i <= work_count; i++)
        for (j = 1; j <= engine_count; j++) {
            w = work[i]; e = engine[j]
            cpu[w, e] = median_of(cpus[w, e])
            wall[w, e] = median_of(walls[w, e])
            start[w, e] = median_of(starts[w, e])
        }
    for (i = 1; i <= work_count; i++)
        for (j = 1; j <= engine_count; j++) {
            w = work[i]; e = engine[j]
            if (cpu[w, e] > 0 && cpu[w, base] > 0) ratio[w, e] = cpu[w, e] / cpu[w, base]
        }
    for (i = 1; i <= module_count; i++)
        for (j = 1; j <= engine_count; j++) {
            w = modules[i]; e = engine[j]
            ms = median_of(compiles[w, e])
            if (ms > 0 && code[w] > 0) speed[w, e] = code[w] / ms / 1000
        }

    print_table("CPU ms", cpu, work, work_count, "%.1f")
    print_table("wall ms", wall, work, work_count, "%.1f")
    print_table("compile ms", start, work, work_count, "%.2f")
    # Those over structs and then those with vectors are the last ones of the list and have means of their own: not every
    # engine runs them.
    objects = work_count
    while (objects > 0 && work[objects] ~ /^simd_/) objects--
    scalars = objects
    while (scalars > 0 && work[scalars] ~ /^(trees|list|machine)$/) scalars--
    for (j = 1; j <= engine_count; j++) {
        mean["geometric mean", engine[j]] = geometric_mean(engine[j], 1, scalars)
        mean["mean of structs", engine[j]] = geometric_mean(engine[j], scalars + 1, objects)
        mean["mean of simd_", engine[j]] = geometric_mean(engine[j], objects + 1, work_count)
    }
    rows = work_count
    for (i = 1; i <= rows; i++) shown[i] = work[i]
    shown[++rows] = "geometric mean"
    if (scalars < objects) shown[++rows] = "mean of structs"
    if (objects < work_count) shown[++rows] = "mean of simd_"
    for (i = work_count + 1; i <= rows; i++)
        for (j = 1; j <= engine_count; j++) ratio[shown[i], engine[j]] = mean[shown[i], engine[j]]
    print_table("CPU / " base, ratio, shown, rows, "%.3f")
    if (module_count > 0) print_table("compile MB/s", speed, modules, module_count, "%.2f")
    print ""
    while ((getline line < about) > 0) {
        print line
        at = index(line, " ")
        facts = facts ",\n " quoted(substr(line, 1, at - 1)) ": " quoted(substr(line, at + 1))
    }

    printf "{\"benchmark\": \"peers\", \"rounds\": %d, \"runs\": %d, \"base\": %s%s,\n \"run\": [", rounds, runs, quoted(base), \
        facts >json
    for (i = 1; i <= work_count; i++)
        printf "%s\n  {\"name\": %s, \"n\": %s, \"check\": %s,\n   \"cpu_ms\": %s,\n   \"wall_ms\": %s,\n   \"compile_ms\": %s,\n   \"ratio\": %s}", \
            (i > 1 ? "," : ""), quoted(work[i]), size[work[i]], quoted(wanted[work[i]]), numbers(cpu, work[i]), \
            numbers(wall, work[i]), numbers(start, work[i]), numbers(ratio, work[i]) >json
    printf "],\n \"geometric_mean\": %s,\n \"geometric_mean_simd\": %s,\n \"compile\": [", numbers(mean, "geometric mean"), \
        numbers(mean, "mean of simd_") >json
    for (i = 1; i <= module_count; i++)
        printf "%s\n  {\"name\": %s, \"code_bytes\": %d, \"mb_per_cpu_s\": %s}", (i > 1 ? "," : ""), quoted(modules[i]), \
            code[modules[i]], numbers(speed, modules[i]) >json
    printf "],\n \"ok\": %s}\n", (bad ? "false" : "true") >json

    printf "workload" >data
    for (j = 1; j <= engine_count; j++) if (engine[j] != base) printf " %s", engine[j] >data
    print "" >data
    for (i = 1; i <= rows; i++) {
        printf "\"%s\"", shown[i] >data
        for (j = 1; j <= engine_count; j++)
            if (engine[j] != base) printf " %s", (ratio[shown[i], engine[j]] == "" ? "?" : ratio[shown[i], engine[j]]) >data
        print "" >data
    }
    if (bad) print "bench-peers: failed (above)"
    exit bad
}

# How long a life takes, as percentiles: a panel for each module, a line for each engine, both axes logarithmic.
# gnuplot -e "out='FOLDER'; subjects='a b'; engines='waggle v8'; workers='2'" latency.gnuplot
set terminal svg size 1200, 760 font "sans-serif,12" background "white"
set output out . "/latency.svg"
set multiplot layout 2, (words(subjects) + 1) / 2 title "nanoseconds of making, using and dropping an instance, " . workers . " workers"
set logscale xy
set format y "10^{%L}"
set grid lc rgb "#dddddd"
set xtics ("50%%" 2, "90%%" 10, "99%%" 100, "99.9%%" 1000, "99.99%%" 10000, "99.999%%" 100000) rotate by -30
set key below
set rmargin 7
array colors[3] = ["#1f6feb", "#d1495b", "#3a7d44"]
do for [s in subjects] {
    set title s
    plot for [i = 1:words(engines)] out . "/at-" . word(engines, i) . "-" . s . "-" . workers using 1:2 \
        with steps lw 2 lc rgb colors[i] title word(engines, i)
}
unset multiplot

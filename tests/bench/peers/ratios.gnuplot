# Bars of each engine's time over that of one of them, per workload, on a logarithmic axis.
# gnuplot -e "data='FILE'; output='FILE.svg'; base='ENGINE'" ratios.gnuplot
set terminal svg size 1200, 480 font "sans-serif,12" background "white"
set output output
set title "CPU time / " . base . " (less is better)"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 noborder
set logscale y 2
set grid ytics lc rgb "#cccccc"
set ytics nomirror
set xtics nomirror rotate by -30
set rmargin 8
set key outside top center horizontal
set boxwidth 0.9
columns = int(system("head -n 1 '" . data . "' | wc -w"))
plot for [i = 2:columns] data using i:xtic(1) title columnheader(i), 1 with lines lc rgb "black" notitle

# Print the means of a scores.csv of dd-eval beside published numbers, and how far the two orders agree.
#
#   awk -F, -f published.awk PUBLISHED scores.csv
#
# A line of PUBLISHED is a row of the table: the system's name in scores.csv, its name in the table, and its published
# PSNR, SSIM, LPIPS, LSE-D, LSE-C and LMD. A row without published numbers appears if scores.csv has the system. Orders
# are those of the systems with published numbers, without baselines, whose names are in parentheses; and only of the
# measures that all these systems have.

function is_number(text) { return text ~ /^-?[0-9]/ }

function shown(value, digits) {
    return value == "" ? "-" : is_number(value) ? sprintf("%." digits "f", value) : value
}

# 1 plus the number of compared systems with a better value of measure i.
function place(values, method, i,    other, result) {
    result = 1
    for (other = 1; other <= compared; other++)
        if (sign[i] * (values[with_numbers[other], i] - values[method, i]) > 0) result++
    return result
}

# The compared systems' names, the best first.
function order(values, i,    first, s, between, text) {
    for (first = 1; first <= compared; first++) {
        between = ", "
        for (s = 1; s <= compared; s++) {
            if (place(values, with_numbers[s], i) != first) continue
            text = text (text == "" ? "" : between) name[with_numbers[s]]
            between = " = "
        }
    }
    return text
}

function at_the_same_place(i,    s, count, text) {
    for (s = 1; s <= compared; s++) {
        if (place(here, with_numbers[s], i) != place(paper, with_numbers[s], i)) continue
        text = text (count++ ? ", " : "") name[with_numbers[s]]
    }
    return count == compared ? "all" : count ? text : "none"
}

# For example "9 of 10"; pairs that are equal in the paper do not count.
function pairs_alike(i,    s, t, difference, pairs, alike) {
    for (s = 1; s <= compared; s++) {
        for (t = 1; t < s; t++) {
            difference = paper[with_numbers[s], i] - paper[with_numbers[t], i]
            if (difference == 0) continue
            pairs++
            if (difference * (here[with_numbers[s], i] - here[with_numbers[t], i]) > 0) alike++
        }
    }
    return alike + 0 " of " pairs + 0
}

function all_have(i,    s) {
    for (s = 1; s <= compared; s++)
        if (!is_number(here[with_numbers[s], i]) || !is_number(paper[with_numbers[s], i])) return 0
    return compared > 1
}

BEGIN {
    measures = split("psnr ssim lpips lse_d lse_c lmd", key, " ")
    split("PSNR SSIM LPIPS LSE-D LSE-C LMD", title, " ")
    split("2 2 3 2 2 2", digits, " ")
    split("1 1 -1 -1 1 -1", sign, " ") # 1 where higher values are better
}

NR == FNR {
    systems[++rows] = $1
    name[$1] = $2
    for (i = 1; i <= measures; i++) paper[$1, i] = $(i + 2)
    if (NF > 2) published[$1] = 1
    if (NF > 2 && $1 !~ /^[(]/) with_numbers[++compared] = $1
    next
}
FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
$column["clip"] == "(mean)" {
    measured[$1] = 1
    for (i = 1; i <= measures; i++) here[$1, i] = key[i] in column ? $column[key[i]] : ""
}

END {
    width = length("here | paper")
    for (s = 1; s <= rows; s++) {
        if (!(systems[s] in published || systems[s] in measured)) continue
        row[++count] = systems[s]
        if (length(name[systems[s]]) > width) width = length(name[systems[s]])
    }
    printf "\n%-" width "s", "here | paper"
    for (i = 1; i <= measures; i++) printf " %15s", title[i]
    print ""
    for (s = 1; s <= count; s++) {
        printf "%-" width "s", name[row[s]]
        for (i = 1; i <= measures; i++)
            printf " %7s |%6s", shown(here[row[s], i], digits[i]), shown(paper[row[s], i], digits[i])
        print ""
    }
    for (i = 1; i <= measures; i++) {
        if (!all_have(i)) continue
        if (!orders++) print "\nBest first"
        printf "%-6s here   %s\n", title[i], order(here, i)
        printf "%-6s paper  %s\n", "", order(paper, i)
        printf "%-6s same place: %s; pairs in the same order: %s\n", "", at_the_same_place(i), pairs_alike(i)
    }
}

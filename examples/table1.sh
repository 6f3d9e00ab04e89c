#!/bin/sh
# Score published outputs of the methods in the paper and print the numbers beside those of its Table 1.
#
#   sh examples/table1.sh FOLDER [RESULTS]
#
# FOLDER contains a folder of videos for each method (wav2lip, pcavs, iplap, daetalker, diffdub; missing ones are skipped)
# and the true videos, with the same names, in gt. Scores and web pages are written to RESULTS (./table1-results).
# LPIPS_TRUNK=FILE and SYNCNET=FILE name the weights that LPIPS and LSE need.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: table1.sh FOLDER [RESULTS]" >&2
    exit 2
fi
folder=$1 results=${2:-table1-results}
mkdir -p "$results"
rm -f "$results/scores.csv"

# PC-AVS and DAE-Talker frame the face differently; --register aligns it with the truth's and leaves the others unchanged.
set --
for method in wav2lip pcavs iplap daetalker diffdub; do
    [ -d "$folder/$method" ] && set -- "$@" "$folder/$method"
done
status=0
dd-eval "$@" --truth "$folder/gt" --register --baseline --csv "$results/scores.csv" --json "$results/scores.json" \
    --html "$results" ${LPIPS_TRUNK:+--lpips-trunk "$LPIPS_TRUNK"} ${SYNCNET:+--syncnet "$SYNCNET"} || status=$?
[ -f "$results/scores.csv" ] || exit "$status"

# The paper's numbers, then the means of scores.csv.
awk -F, '
    function shown(number, digits) {
        return number == "" ? "-" : number ~ /^[0-9]/ ? sprintf("%." digits "f", number) : number
    }
    BEGIN {
        measures = split("psnr ssim lpips lse_d lse_c lmd", key, " ")
        split("PSNR SSIM LPIPS LSE-D LSE-C LMD", title, " ")
        split("2 2 3 2 2 2", digits, " ")
    }
    NR == FNR {
        order[++systems] = $1
        name[$1] = $2
        for (i = 1; i <= measures; i++) published[$1, key[i]] = $(i + 2)
        next
    }
    FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    $column["clip"] == "(mean)" { for (i = 1; i <= measures; i++) ours[$1, key[i]] = $column[key[i]] }
    END {
        printf "\n%-12s", "here | paper"
        for (i = 1; i <= measures; i++) printf " %15s", title[i]
        print ""
        for (s = 1; s <= systems; s++) {
            printf "%-12s", name[order[s]]
            for (i = 1; i <= measures; i++) {
                cell = order[s] SUBSEP key[i]
                printf " %7s |%6s", shown(ours[cell], digits[i]), shown(published[cell], digits[i])
            }
            print ""
        }
    }' - "$results/scores.csv" <<'PUBLISHED'
wav2lip,Wav2Lip,26.12,0.83,0.066,7.48,7.84,1.10
pcavs,PC-AVS,22.15,0.68,0.058,6.66,8.69,2.03
iplap,IP-LAP,26.05,0.84,0.058,8.78,5.59,0.79
daetalker,DAE-Talker,17.81,0.47,0.129,8.90,6.15,2.78
(truth unchanged),truth,-,1,-,6.73,9,0
diffdub,DiffDub,28.18,0.87,0.035,8.16,7.10,0.95
PUBLISHED
exit "$status"

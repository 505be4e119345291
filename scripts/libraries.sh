# libraries.sh: the Debian packages with the C libraries that roomreel-render is built with, and for each the command that succeeds
# if it is there. setup.sh installs them here, and roots.sh in the trees of Debian releases. libyuv has no pkg-config file.
# shellcheck shell=bash disable=SC2034
declare -A libraries=(
	[libavcodec-dev]='pkg-config --exists libavcodec'
	[libavutil-dev]='pkg-config --exists libavutil'
	[libopus-dev]='pkg-config --exists opus'
	[libyuv-dev]='test -e /usr/include/libyuv.h'
)

"""Opinion studies: raters watch videos in a web page, and their answers become the paper's Table 3."""

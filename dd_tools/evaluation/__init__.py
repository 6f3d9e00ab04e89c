"""How close generated videos come to the truth: the paper's protocol, its measures, and reports of them."""

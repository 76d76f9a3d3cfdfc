"""Pictures that follow from the signal equation: nothing here is learned.

Tissues have relaxation times (`tissues`), a sequence turns them into signal (`sequences`,
`molli`), and a mask says where they lie (`picture`). The truth behind every pixel is known, which
is what pipelines of relaxometry are tested with; no scanner's looks are claimed.
"""

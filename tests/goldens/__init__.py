"""Golden checks, one module a group of families; `frame` holds what they share.

To add a family: put a module into this folder (or extend one) with a function

    @family('flosp_seed*.pt')
    def check_flosp(golden: Golden) -> None:
        data = golden.load()                      # npz: dict of arrays; pt: torch.load(weights_only)
        golden.close('x3d_sum', ours, data['x3d_sum'], tolerance=0)

and copy one small file of the family to tests/data/goldens (or say `carried=False` where none is small).
`group=` names the families that it comes with. Nothing
else is to be registered: every module of this folder is imported, and `tests/test_goldens.py` runs every
registered family over every file that its pattern matches. What the numbers mean stands in the folder's
ORIGIN.md.
"""

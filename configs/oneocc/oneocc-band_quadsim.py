# The panorama covers only what the lens sees, -27..51 degrees and a margin of 3.6: 288 of the
# sphere's 608 rows at the same 608 / 180 rows a degree (288 * 180 / 608 = 85.263 degrees).
_base_ = './oneocc_quadsim.py'
equi = dict(height=288, elevation_min_deg=-30.6316, elevation_max_deg=54.6316)
train_dataloader = val_dataloader = test_dataloader = dict(dataset=dict(views=dict(equi=equi)))
del equi

# MonoScene complete: with the 3D context relation prior and its relation loss.
_base_ = './monoscene_quadsim.py'

# the prior works on the coarsest volume: 64x64x8 / 4; it adds 14.8 M parameters
model = dict(neck=dict(context_prior=dict(type='ContextRelationPrior', shape=(16, 16, 2))))

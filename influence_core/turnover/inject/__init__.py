"""Turn-over layers put into an existing module, by a plan for each known family of networks.

Pure torch: plans name modules; they load no weights and train nothing.
"""

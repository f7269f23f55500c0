"""Random faults in the product code: which of them do the fast tests notice?"""

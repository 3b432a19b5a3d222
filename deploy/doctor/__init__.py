"""`sparky doctor`: are this database and the project around it still what the migrations made them?

Each family of checks is a module that reads facts (`look`) and compares them with what they should be (`judge`). What
they should be is read in the same way from a scratch database that has just been migrated, so it is written down in
one place: the migrations. Nothing is changed: everything runs in one transaction that is rolled back.
"""

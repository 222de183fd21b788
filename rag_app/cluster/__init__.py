"""Papers read, embedded and described on the nodes of a Ray cluster; the leaf that knows Ray.

    connection  to a cluster, for the time of one run
    pool        the driver's side: `ingestion.pool.Pool` over Ray tasks, one batch of pages each
    sending     calls and files on their way to a node
    node        what runs on a node
    reading     read_papers on a cluster
    asking      a vision model asked through the nodes, each with its own server

Every node has rag-app installed, in the same versions; disks need not be shared. Only the driver writes the library.
"""
